"""The tables of other libraries' names are those of the code."""

from __future__ import annotations

import re

import pytest
from doc_pages import ROOT

from upslope.core.checks import ALIASES
from upslope.search import METHODS
from upslope.training.config import OBJECTIVE_SETTINGS, POLICY_SETTINGS, RUN_SETTINGS
from upslope.training.settings import method_settings

PAGE = (ROOT / "docs" / "coming-from.md").read_text()
ROW = re.compile(r"^\| ((?:`[\w+]+`(?:, )?)+) \| `([\w-]+)` \|$", re.MULTILINE)
FLAGS = re.compile(r"^\| `--([\w-]+)[^`|]*`[^|]* \| `--([\w-]+)", re.MULTILINE)


def section(title, text=PAGE):
    """What is under a heading of the second level."""
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def listed(text):
    """What the page calls each name of elsewhere."""
    return {
        name: ours for names, ours in ROW.findall(text) for name in re.findall(r"`([\w+]+)`", names)
    }


def settings():
    """Every name that `train` understands."""
    return {*RUN_SETTINGS, *OBJECTIVE_SETTINGS, *POLICY_SETTINGS}.union(
        *(method_settings(entry.load()) for entry in METHODS)
    )


def wrong_flags(text):
    """Flags of elsewhere that the errors would not lead to the one beside them."""
    pairs = [(a.replace("-", "_"), b.replace("-", "_")) for a, b in FLAGS.findall(text)]
    assert len(pairs) > 6
    return [(there, here) for there, here in pairs if ALIASES.get(there, there) != here]


def test_every_known_name_is_listed():
    assert listed(section("All names")) == {
        name: ours for name, ours in ALIASES.items() if name != ours
    }


def test_a_row_that_is_missing_is_seen():
    assert "lr" not in listed(section("All names").replace("`lr`, ", ""))


def test_flags_of_elsewhere_are_those_of_the_errors():
    elsewhere = {"seed", "track", "env_id"}  # no settings of a method
    assert [pair for pair in wrong_flags(section("CleanRL")) if pair[0] not in elsewhere] == []


def test_a_wrong_flag_is_seen():
    changed = section("CleanRL").replace("--n-envs 4", "--n-steps 4")
    assert ("num_envs", "n_steps") in wrong_flags(changed)


@pytest.mark.parametrize("library", ["Stable-Baselines3", "CleanRL"])
def test_what_is_the_same_is_a_setting(library):
    rows = re.findall(r"^\| (.+) \| the same \|$", section(library), re.MULTILINE)
    same = {name.replace("-", "_") for row in rows for name in re.findall(r"`-*([\w-]+)`", row)}
    assert len(same) > 5
    assert same <= settings(), same - settings()


def test_the_targets_of_names_exist():
    optimization = {"budget", "target"}  # of `minimize`
    assert set(ALIASES.values()) <= settings() | optimization | set(METHODS.names())
