"""A page as one file of HTML that asks no network for anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from upslope.core.checks import missing_extra
from upslope.pages.blocks import Page, Section

if TYPE_CHECKING:
    from jinja2 import Template


def html_of(page: Page) -> str:
    """The page as a file, with its style and script.

    Raises:
      UpslopeError: jinja2 is not installed.
    """
    return template().render(page=page, sections=numbered(page.sections)).strip() + "\n"


def require_jinja() -> None:
    """Asks for jinja2.

    Raises:
      UpslopeError: it is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError:
        raise missing_extra("A report", "jinja2", "report") from None


@lru_cache(maxsize=1)
def template() -> Template:
    """The package's own template; everything that is put into it is escaped."""
    require_jinja()
    from jinja2 import DictLoader, Environment, StrictUndefined

    folder = resources.files("upslope.pages")
    names = ("page.html", "page.css", "page.js")
    sources = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    environment = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def numbered(sections: Sequence[Section]) -> list[tuple[str, Section]]:
    """The sections that have something in them, each with an anchor of its own."""
    found: list[tuple[str, Section]] = []
    taken: set[str] = set()
    for section in sections:
        if not (section.blocks or section.parts):
            continue
        stem = re.sub(r"[^a-z0-9]+", "-", section.heading.lower()).strip("-") or "section"
        name, count = stem, 1
        while name in taken:
            name, count = f"{stem}-{count + 1}", count + 1
        taken.add(name)
        found.append((name, section))
    return found
