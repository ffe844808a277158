"""Hooks of MkDocs: pages that are made while the site is built, and links that lead to them.

`mkdocs build --strict` at the root of the repository (`pip install -e '.[docs]'`).
"""

from __future__ import annotations

import posixpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from api_pages import api_pages
from links import PAGES, linked_files, site_links, site_path, source_page
from method_page import method_page
from notebook_page import notebook_page

FROM: dict[str, str] = {}  # of pages that are made: the file of the repository they show


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the reference, the notebooks, and the files of the repository that pages link to."""
    FROM.clear()
    for path, text in api_pages().items():
        files.append(File.generated(config, path, content=text))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        name = posixpath.basename(file.src_uri).removesuffix(".ipynb")
        text, pictures = notebook_page(file.content_string, name)
        files.append(File.generated(config, file.src_uri.replace(".ipynb", ".md"), content=text))
        for picture, data in pictures.items():
            path = posixpath.join(posixpath.dirname(file.src_uri), picture)
            files.append(File.generated(config, path, content=data))
    pages = [file for file in files.documentation_pages() if file.abs_src_path is not None]
    todo = set(PAGES).union(*(linked_files(f.content_string, f"docs/{f.src_uri}") for f in pages))
    while todo:
        path = todo.pop()
        place = site_path(path)
        if place is None or place in FROM:
            continue
        FROM[place] = path
        text = source_page(path)
        files.append(File.generated(config, place, content=text))
        todo |= linked_files(text, path) if path.endswith(".md") else set()
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Completes the pages of methods, and leads links to what the site has."""
    place = page.file.src_uri
    if place.startswith("methods/"):
        markdown = method_page(posixpath.basename(place).removesuffix(".md"), markdown)
    return site_links(markdown, FROM.get(place, f"docs/{place}"), place)
