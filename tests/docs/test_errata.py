"""Everything that the errata name exists."""

from __future__ import annotations

import importlib
import re

import pytest
from doc_pages import ROOT

NAMES = sorted(set(re.findall(r"`(upslope(?:\.\w+)+)`", (ROOT / "docs" / "errata.md").read_text())))


def test_there_are_many():
    assert len(NAMES) > 15


@pytest.mark.parametrize("name", NAMES)
def test_it_exists(name):
    module, attribute = name.rsplit(".", 1)
    assert callable(getattr(importlib.import_module(module), attribute))
