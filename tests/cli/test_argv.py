"""Names, flags and their words: told apart in one pass."""

import pytest

from upslope.cli.argv import Argv, Flag
from upslope.core.checks import UpslopeError


def test_names_come_before_flags_and_words_belong_to_the_flag_before_them():
    argv = Argv.read(["CartPole-v1", "ppo", "--n_envs=-1", "--hidden", "8", "-8", "--plain", "-h"])
    assert argv.names == ["CartPole-v1", "ppo"]
    assert argv.flags == [
        Flag("--n-envs", ["-1"], joined=True),
        Flag("--hidden", ["8", "-8"]),
        Flag("--plain", []),
        Flag("-h", []),
    ]
    assert argv.wants_help
    assert not Argv.read(["--helper"]).wants_help


def test_a_flag_of_one_value_takes_the_last_and_leaves_the_rest():
    argv = Argv.read(["--config", "a", "--seeds", "2", "--config=b", "env", "method"])
    assert argv.take("--config") == "b"
    assert argv.flags == [Flag("--seeds", ["2"])]
    assert [argv.take_name() for _ in range(3)] == ["env", "method", None]
    assert argv.value("--seeds") == "2"
    assert argv.has("--seeds")
    assert argv.take("--config") is None
    with pytest.raises(UpslopeError, match="--config needs a value"):
        Argv.read(["--config", "--seeds"]).take("--config")


def test_a_name_among_the_words_of_a_flag_is_found():
    argv = Argv.read(["--seeds", "2", "--plain", "world-v1", "ppo"])
    argv.find_names(lambda word: word == "world-v1")
    assert argv.names == ["world-v1", "ppo"]
    assert argv.flags == [Flag("--seeds", ["2"]), Flag("--plain", [])]
    argv = Argv.read(["first", "--plain", "world-v1"])
    argv.find_names(lambda word: word == "world-v1")
    assert argv.names == ["first"]  # names before the flags are the names
    argv = Argv.read(["--env=world-v1"])
    argv.find_names(lambda word: word == "world-v1")
    assert argv.names == []  # what is written behind "=" is the flag's


def test_an_empty_word_is_refused():
    with pytest.raises(UpslopeError, match="unset shell variable"):
        Argv.read(["CartPole-v1", ""])
