"""The notebooks run from top to bottom, and show what they print and draw."""

from __future__ import annotations

import ast
import json
import re

import pytest
from doc_pages import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def name(path):
    return path.stem


def cells(path, kind="code"):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def shows(source):
    """Whether a cell prints, draws, or ends with a value."""
    last = ast.parse(source).body[-1]
    return "print(" in source or (
        isinstance(last, ast.Expr) and "configure" not in ast.unparse(last)
    )


def silent(path):
    """Cells that should have shown something and have nothing stored."""
    sources = [("".join(cell["source"]), cell["outputs"]) for cell in cells(path)]
    return [source for source, outputs in sources if shows(source) and not outputs]


def test_there_are_four():
    assert len(NOTEBOOKS) == 4


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_runs(path, tmp_path, programs):
    program = "\n\n".join("".join(cell["source"]) for cell in cells(path))
    assert programs.run(program, tmp_path, name(path)).strip()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_what_a_notebook_shows_is_stored(path):
    assert silent(path) == [], "run: python docs/notebooks/execute.py"
    kinds = {output["output_type"] for cell in cells(path) for output in cell["outputs"]}
    assert "error" not in kinds


def test_a_notebook_that_was_not_run_is_seen(tmp_path):
    notebook = json.loads(NOTEBOOKS[0].read_text())
    for cell in notebook["cells"]:
        cell |= {"outputs": []}
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook))
    assert silent(tmp_path / "n.ipynb")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_links_of_notebooks_lead_somewhere(path):
    text = "".join("".join(cell["source"]) for cell in cells(path, "markdown"))
    found = re.findall(r"\]\(([^)#\s]+)", text)
    assert len(found) > 1
    assert [link for link in found if not (path.parent / link).exists()] == []
