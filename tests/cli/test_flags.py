"""Which value wins: a flag over the file over the preset over the default."""

import re

import pytest

from upslope.cli.argv import Argv
from upslope.cli.flags import Group, normalize_flags, parse
from upslope.cli.setting import Setting
from upslope.cli.train_command import read_request
from upslope.core.checks import UpslopeError
from upslope.training.config import RunConfig, resolve
from upslope.training.config_file import write_config


def config(words):
    return read_request(words.split()).config


def test_flags_over_file_over_preset_over_default(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("gae_lambda: 0.5\nn-epochs: 7\nenv: {force: 9.0}\nseeds: 3\n")
    got = config(f"CartPole-v1 ppo --config {file} --n_epochs 2 --env.gravity=1 --hidden 8 8 8")
    assert got.method_settings["n_epochs"] == 2  # flag over file
    assert got.method_settings["gae_lambda"] == 0.5  # file over preset
    assert got.method_settings["batch_size"] == 128  # preset over default
    assert got.environment_settings == {"force": 9.0, "gravity": 1.0}
    assert got.policy_settings["hidden"] == [8, 8, 8]
    assert (got.seeds, got.seed) == (3, 0)


def test_a_flag_that_is_not_given_changes_nothing():
    assert config("CartPole-v1") == resolve("CartPole-v1")
    assert config("CartPole-v1 reinforce") == resolve("CartPole-v1", "reinforce")
    assert config("MountainCarContinuous-v0").method == "ars"


def test_without_the_preset_the_defaults_hold():
    assert config("CartPole-v1 ppo --no-preset") == resolve("CartPole-v1", "ppo", use_preset=False)
    assert config("CartPole-v1 ppo --no-preset").method_settings == {}


@pytest.mark.parametrize(
    "words", ["CartPole-v1 cem --no-preset", "Pendulum-v1 --objective episodic"]
)
def test_a_resolved_configuration_runs_again_exactly(tmp_path, words):
    first = config(words + " --seeds 2 --env.time-limit 50")
    write_config(tmp_path / "config.yaml", first.to_dict())
    again = config(f"--config {tmp_path / 'config.yaml'}")
    assert again == first
    assert again == RunConfig.from_dict(first.to_dict())
    changed = config(f"--config {tmp_path / 'config.yaml'} --seed 5")
    assert changed.seed == 5
    assert changed.method_settings == first.method_settings


def test_both_spellings_switches_and_none():
    got = config("CartPole-v1 ppo --total_timesteps=5000 --normalize-reward --target-kl 0.1")
    assert got.total_timesteps == 5000
    assert got.method_settings["normalize_reward"] is True
    assert (
        config("CartPole-v1 ppo --no-normalize_advantage --clip-range-vf none").method_settings[
            "clip_range_vf"
        ]
        is None
    )
    assert config("CartPole-v1 ppo --total-timesteps 5000").total_timesteps == 5000


@pytest.mark.parametrize(
    ("written", "on"),
    [
        ("--normalize_observations", True),
        ("--normalize_observations True", True),
        ("--normalize-observations=true", True),
        ("--no-normalize-observations", False),
        ("--normalize-observations false", False),
        ("--normalize_observations=False", False),
    ],
)
def test_a_switch_with_the_word_behind_it(written, on):
    config = read_request(f"CartPole-v1 ppo {written} --n-envs 4".split()).config
    assert config.policy_settings["normalize_observations"] is on
    assert config.method_settings["n_envs"] == 4


def test_true_and_false_among_other_words():
    assert config("CartPole-v1 dqn --save-replay true").save_replay is True
    assert config("CartPole-v1 dqn --save_replay=FALSE").save_replay is False
    assert config("CartPole-v1 dqn --save_replay auto").save_replay == "auto"


def test_a_switch_of_the_environment_with_the_word_behind_it():
    groups = [
        Group("environment", [Setting("still", bool, True, "")], "env"),
        Group("run", [Setting("loud", bool, False, "")]),
    ]
    flags = Argv.read(["--env.still", "False", "x", "--loud=TRUE"]).flags
    assert normalize_flags(flags, groups) == ["--env.no-still", "x", "--loud"]
    with pytest.raises(UpslopeError, match="unexpected argument 'x'"):
        parse("upslope test", "A test.", groups, Argv([], flags))
    del flags[0].values[1]
    found = parse("upslope test", "A test.", groups, Argv([], flags))
    assert found == {"environment": {"still": False}, "run": {"loud": True}}


@pytest.mark.parametrize("spelling", ["--baseline none", "--baseline=none"])
def test_none_is_a_word_where_it_is_a_choice(spelling):
    got = config(f"CartPole-v1 reinforce {spelling}")
    assert got.method_settings["baseline"] == "none"
    assert config("CartPole-v1 cma-es --restarts none").method_settings["restarts"] == "none"


def test_none_is_no_value_where_there_may_be_none():
    for spelling in ("--clip-range-vf none", "--clip_range_vf=null"):
        assert config(f"CartPole-v1 ppo {spelling}").method_settings["clip_range_vf"] is None
    assert "gamma" not in config("CartPole-v1 ppo --gamma none").objective_settings


@pytest.mark.parametrize("spelling", ["--policy none", "--activation none"])
def test_none_stays_as_it_was_typed_in_what_is_said_of_it(spelling):
    from upslope.training.build import build

    with pytest.raises(UpslopeError, match="'none'"):
        build(config(f"CartPole-v1 ppo {spelling}"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("environment: 3", "environment must be a name, not 3"),
        ("method: [ppo]", "method must be a name"),
        ("preset: maybe", "preset='maybe'"),
        ("preset:", "preset=None"),
        ("gamma: abc", "gamma='abc'"),
        ("gamma: [0.9]", "gamma="),
        ("policy: 3", "given by its name"),
        ("objective: {a: 1}", "given by its name"),
    ],
)
def test_values_of_a_file_that_cannot_be_are_named(tmp_path, text, said):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UpslopeError, match=re.escape(said)):
        config(f"--config {file}" if "environment" in text else f"CartPole-v1 --config {file}")


def test_flags_may_come_first():
    assert config("--seeds 2 --plain CartPole-v1 cem") == config("CartPole-v1 cem --seeds 2")


def test_settings_of_a_simulator_are_read_as_yaml_values():
    got = config("gymnasium:LunarLander-v3 ppo --env.enable-wind true --env.wind_power=5.5")
    assert got.environment_settings == {"enable_wind": True, "wind_power": 5.5}
    assert config("gymnasium:X ppo --env.a 3e-4").environment_settings == {"a": 3e-4}


def test_the_own_settings_of_a_policy_kind_are_flags():
    got = config("CartPole-v1 ppo --policy softmax --out-gain 0.5")
    assert (got.policy, got.policy_settings["out_gain"]) == ("softmax", 0.5)


def test_help_names_the_defaults_and_where_they_come_from(capsys, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("gae_lambda: 0.5\n")
    with pytest.raises(SystemExit) as end:
        read_request(["CartPole-v1", "ppo", "--config", str(file), "--help"])
    assert end.value.code in (0, None)
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "for policy and value function together. (default of the preset: 0.001)" in text
    assert "(default in" in text
    assert "--env.half-length FLOAT" in text
    assert "(default: 0.5)" in text  # vf_coef, from the class
