"""Pages stand alone, escape what they are given, and work without a mouse."""

from __future__ import annotations

import sys

import pytest

from pages_reader import PageReader
from upslope.core.checks import UpslopeError
from upslope.pages import (
    Bar,
    Clip,
    Code,
    DataTable,
    Facts,
    Figure,
    Figures,
    Film,
    Notes,
    Page,
    Prose,
    Section,
    Shares,
    html_of,
)
from upslope.pages.html_page import template

pytest.importorskip("jinja2")
HOSTILE = "</style></script><script>alert(1)</script>\"'&{{ 7 * 7 }}<img src=http://a.b/c>"


def page(text, **changes):
    """A page of every kind of block, all of whose words are one text."""
    clips = [
        Clip(mime, "AAAA", "AAAA", 10, 10, text) for mime in ("video/mp4", "video/mp4", "image/gif")
    ]
    blocks = [
        Prose(text),
        Facts([(text, text)]),
        DataTable([text, text], [[text, text]], text),
        Figures([Figure(text, "<svg></svg>", [(0, text)], text)]),
        Shares([Bar(text, text, 0.25), Bar("other", "3 s", 0.75)], text),
        Notes([text]),
        Code(text, text),
        Film(clips),
    ]
    sections = [
        Section(text, blocks),
        Section(text, blocks, folded=True),
        Section("parts", [], parts=[Section(text, blocks, folded=True), Section("b", blocks)]),
        Section("nothing", []),
    ]
    return Page(text, text, text, sections, text)


@pytest.mark.parametrize("text", ["plain words", HOSTILE])
def test_a_page_stands_alone_and_escapes_everything(text):
    found = PageReader(html_of(page(text)))
    found.check()
    assert found.text.count(text) > 30
    assert "alert(1)" not in found.scripts[0]
    assert len(found.of("img")) == 2 * 4  # the stills and films of the GIFs, none of the text's own


def test_sections_without_anything_are_left_out():
    found = PageReader(html_of(page("words")))
    assert "nothing" not in found.text
    links = [link["href"] for link in found.of("a")]
    assert links == ["#main", "#words", "#words-2", "#parts"]


def test_what_scrolls_can_be_reached_by_keyboard():
    found = PageReader(html_of(page("words")))
    scrolled = [a for _, a in found.tags if a.get("class") == "scroll"] + found.of("pre")
    assert scrolled
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrolled)
    assert all("controls" in video and video["aria-label"] for video in found.of("video"))
    assert all("aria-label" in button for button in found.of("button"))
    assert found.of("html") == [{"lang": "en"}]


def test_without_jinja_the_extra_is_named(monkeypatch):
    template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UpslopeError, match=r"jinja2.*pip install 'upslope\[report\]'"):
        html_of(page("words"))
