"""The picture of the floors is that of the code, and every decision has its four parts."""

from __future__ import annotations

import importlib.util
import re

import pytest
from doc_pages import ROOT
from test_floors import FLOORS, SOURCE

PAGE = ROOT / "docs" / "architecture.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
PARTS = ["Context", "Decision", "Why", "Consequences"]


@pytest.fixture(scope="module")
def figure():
    path = ROOT / "docs" / "figures" / "floors.py"
    spec = importlib.util.spec_from_file_location("floors_figure", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_package(rows):
    return {package: floor for floor, packages in rows.items() for package in packages}


def test_the_figure_shows_the_floors_of_the_code(figure):
    shown = by_package(figure.floors(PAGE.read_text()))
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert shown == {package: FLOORS[package] for package in packages}


def test_a_missing_package_is_seen(figure):
    text = PAGE.read_text().replace("    10  plots          figures\n", "")
    assert "plots" not in by_package(figure.floors(text))


def test_contributing_lists_the_same_floors():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^    ( \d|\d\d)  ([a-z, ]+)$", text, re.MULTILINE)
    listed = by_package({int(floor): names.split(", ") for floor, names in rows})
    assert listed == FLOORS


def test_the_drawing_is_that_of_the_page(figure):
    drawn = (ROOT / "docs" / "figures" / "floors.svg").read_text()
    assert drawn == figure.svg(figure.floors(PAGE.read_text())), "run: docs/figures/floors.py"


def missing_files(text):
    """The files of the library that a page names and that are not there."""
    named = re.findall(r"`([\w/]+\.py)`", text)
    return [path for path in named if not (SOURCE / path).exists() and not (ROOT / path).exists()]


@pytest.mark.parametrize("page", [PAGE, *DECISIONS], ids=lambda page: page.stem)
def test_files_that_are_named_exist(page):
    assert not missing_files(page.read_text())


def test_a_file_that_has_moved_is_seen():
    assert missing_files("see `core/notes.py` and `core/records.py`") == ["core/notes.py"]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_is_short_and_has_four_parts(page):
    text = page.read_text()
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == PARTS
    assert re.match(rf"# {page.stem[:2]}\. ", text)
    assert 9 <= text.count("\n") <= 30


def test_the_index_lists_every_decision_once():
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", index, re.MULTILINE)
    assert listed == [
        (page.read_text().split("\n")[0].removeprefix("# "), page.name) for page in DECISIONS
    ]
