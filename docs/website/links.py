"""Links as the site needs them: code, and what lies outside `docs`, has pages there."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
# Files of the repository that are pages of the site, by their path there.
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
SHOWN = (".py", ".yaml")


def site_path(path: str) -> str | None:
    """The page that shows a file of the repository; None for one that the site has as it is."""
    if path in PAGES:
        return PAGES[path]
    if path.endswith(".ipynb"):
        return path.removeprefix("docs/").replace(".ipynb", ".md")
    if path.endswith(SHOWN):
        return f"source/{path}.md"
    if path.startswith("docs/"):
        return None
    return f"source/{path.removesuffix('.md')}.md" if path.endswith(".md") else None


def repository_path(target: str, page: str) -> str:
    """The file that a link of a page means, both as paths in the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def linked_files(markdown: str, page: str) -> set[str]:
    """The files of the repository that a page links to and that need a page of the site."""
    targets = {repository_path(match[2], page) for match in LINK.finditer(markdown)}
    return {
        path
        for path in targets
        if site_path(path) and (ROOT / path).is_file() and not path.endswith(".ipynb")
    }


def site_links(markdown: str, page: str, place: str) -> str:
    """The Markdown of a page with its links led to the site's pages.

    Args:
      markdown: of the page.
      page: its path in the repository.
      place: its path on the site.
    """

    def lead(match: re.Match[str]) -> str:
        path = repository_path(match[2], page)
        if "://" in match[2] or not (ROOT / path).is_file():
            return match[0]
        target = site_path(path) or path.removeprefix("docs/")
        relative = posixpath.relpath(target, posixpath.dirname(place) or ".")
        return f"{match[1]}{relative}{match[3] or ''}{match[4]}"

    return LINK.sub(lead, markdown)


def source_page(path: str) -> str:
    """A page that shows a file of the repository."""
    text = (ROOT / path).read_text()
    if path.endswith(".md"):
        return text
    language = {".py": "python", ".yaml": "yaml"}[posixpath.splitext(path)[1]]
    return f"# {posixpath.basename(path)}\n\n`{path}`\n\n````{language}\n{text}````\n"
