"""Commands that are printed can be pasted."""

import shlex
from pathlib import Path

import pytest

from upslope.core.shell_command import shell_command


@pytest.mark.parametrize(
    "words",
    [
        ("resume", Path("my runs/one")),
        ("evaluate", "it's"),
        ("train", "./my env.py:MyEnv", "--import", "a;b"),
        ("show", "$HOME `x` \\ *"),
    ],
)
def test_a_shell_reads_the_words_back(words):
    assert shlex.split(shell_command(*words)) == ["upslope", *map(str, words)]


def test_plain_words_stay_plain():
    assert shell_command("resume", "runs/a-v1/ppo-1") == "upslope resume runs/a-v1/ppo-1"
