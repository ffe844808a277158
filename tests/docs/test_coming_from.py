"""The table of other libraries' names is that of the code."""

from __future__ import annotations

import re

from pages import ROOT

from upslope.core.checks import ALIASES

ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| `(\w+)` \|$", re.MULTILINE)


def listed(text):
    """What the page calls each name of elsewhere."""
    return {
        name: ours for names, ours in ROW.findall(text) for name in re.findall(r"`(\w+)`", names)
    }


def test_every_known_name_is_listed():
    page = (ROOT / "docs" / "coming-from.md").read_text()
    assert listed(page) == {name: ours for name, ours in ALIASES.items() if name != ours}


def test_a_row_that_is_missing_is_seen():
    page = (ROOT / "docs" / "coming-from.md").read_text()
    assert "lr" not in listed(page.replace("`lr`, ", ""))
