"""The page of benchmarks says what the stored results say."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def module():
    spec = importlib.util.spec_from_file_location("page", ROOT / "benchmarks" / "page.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_page_is_that_of_the_stored_results():
    page = module()
    assert page.PAGE.read_text() == page.page(), "run: python benchmarks/page.py"


def test_a_missed_claim_is_shown(tmp_path, monkeypatch):
    """The seeded error: a page that leaves out what was missed would differ from this one."""
    page = module()
    (tmp_path / "results").mkdir()
    record = json.loads((ROOT / "benchmarks" / "results" / "functions.json").read_text())
    record["claims"] = [
        {"claim": "faster", "value": 1.5, "relation": ">=", "bar": 2.0, "met": False}
    ]
    (tmp_path / "results" / "functions.json").write_text(json.dumps(record))
    monkeypatch.setattr(page, "HERE", tmp_path)
    assert "| faster | ≥ 2 | 1.5 | **missed** |" in page.page()


def test_scripts_of_all_parts_exist():
    page = module()
    for _, command in page.PARTS.values():
        assert (ROOT / "benchmarks" / command.split()[0]).is_file()


def test_a_peer_that_is_needed_is_named():
    page = module()
    with pytest.raises(SystemExit, match="--evosax-python"):
        page.rerun("populations", {"evosax_python": None})
