"""Help texts name what a flag is, and list what is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upslope.cli.listing import registry
from upslope.cli.main import main
from upslope.cli.setting import method_settings_from, settings_from
from upslope.cli.train_command import OUTPUT, POLICY_HELP, RUN_HELP

ROOT = Path(__file__).parents[2]
KINDS = ("methods", "policies", "objectives", "envs", "planners", "models")
SPACES = {"key", "observation_space", "action_space"}
# Words without which a text still has to say what the setting is.
SYMBOLS = {"alpha", "beta", "gamma", "epsilon", "lambda", "sigma", "theta", "none", "even"}
# How a text begins that goes on from a name which is not there.
DANGLING = {"of", "to", "beyond", "whose", "which", "and", "as", "at", "below", "see", "the same"}


def has_its_noun(text: str) -> bool:
    """Whether a help text says what the setting is, read without the rest of its docstring."""
    words = [word.lower() for word in re.findall(r"[A-Za-z]+", text)]
    named = [word for word in words if len(word) > 3 and word not in SYMBOLS]
    return bool(named) and words[0] not in DANGLING and " ".join(words[:2]) not in DANGLING


@pytest.mark.parametrize(
    "text",
    ["c_e.", "epsilon.", "Of the whole run.", "", "P, even.", "kg.", "as for the learning rate."],
)
def test_a_symbol_alone_is_no_help(text):
    assert not has_its_noun(text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_has_a_help_text_with_its_noun(kind):
    without = []
    for entry in registry(kind):
        read = method_settings_from if kind == "methods" else settings_from
        settings = read(entry.load(), hide=SPACES)
        without += [(entry.name, s.name, s.help) for s in settings if not has_its_noun(s.help)]
    assert not without


def test_the_flags_of_a_run_have_their_noun():
    texts = [text for _, text in (RUN_HELP | POLICY_HELP).values()] + [s.help for s in OUTPUT]
    assert not [text for text in texts if not has_its_noun(text)]


@pytest.mark.parametrize(
    ("words", "listed", "not_listed"),
    [
        ("ppo", ["--weights", "--gamma", "--config"], ["--horizon"]),
        ("cem", ["--horizon", "--gamma", "--config"], ["--weights"]),
        ("ppo --objective episodic", ["--horizon"], ["--weights"]),
        ("cem --objective discounted", ["--weights"], ["--horizon"]),
    ],
)
def test_what_is_refused_is_not_listed(words, listed, not_listed, capsys):
    assert main(["train", "CartPole-v1", *words.split(), "--help"]) == 0
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert set(listed) <= flags
    assert not set(not_listed) & flags


def test_the_readme_counts_the_estimators():
    text = " ".join((ROOT / "README.md").read_text().split())
    count = re.search(r"(\d+) gradient estimators", text)
    assert count is not None
    assert int(count.group(1)) == len(registry("estimators").names())


def test_commands_in_messages_are_put_together_by_one_function():
    """`f"upslope resume {path}"` cannot be pasted where the path has a space."""
    by_hand = re.compile(r"upslope (train|resume|evaluate|gradcheck|show)\b[^\n]*\{(?!command)")
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in sorted((ROOT / "src").rglob("*.py"))
        for line in file.read_text().splitlines()
        if by_hand.search(line)
    ]
    assert not found
    assert by_hand.search('f"Go on: upslope resume {path}"')
