"""Reads pages as a browser would, as far as the tests need it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "path", "circle"}


class PageReader(HTMLParser):
    """The tags, the ids and the text of a page.

    Attributes:
      tags: each with its attributes, in order.
      text: of everything that is shown.
      scripts: the text of each script.
    """

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text, self._open = "", []
        self.feed(page)
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, f"{tag} closes another"

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
        elif not self._open or self._open[-1] != "style":
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every tag of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    def check(self) -> None:
        """It asks no network for anything, its ids are unique, and what it points to is there."""
        ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        for tag, attributes in self.tags:
            for name in ("src", "href", "poster", "action", "srcset"):
                target = attributes.get(name)
                if target is None:
                    continue
                if target.startswith("#"):
                    assert target[1:] in ids
                else:
                    assert target.startswith("data:"), f"<{tag} {name}={target[:60]}>"
            if "data-copy" in attributes:
                assert attributes["data-copy"] in ids
        assert len(self.scripts) == 1
        policy = [meta["content"] for meta in self.of("meta") if "http-equiv" in meta]
        assert policy[0].startswith("default-src 'none'")
