"""Which value wins: a flag over the file over the preset over the default."""

import pytest

from upslope.cli.train_command import read_request
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


def test_flags_may_come_first():
    assert config("--seeds 2 --plain CartPole-v1 cem") == config("CartPole-v1 cem --seeds 2")


def test_settings_of_a_simulator_are_read_as_yaml_values():
    got = config("gymnasium:LunarLander-v3 ppo --env.enable-wind true --env.wind_power=5.5")
    assert got.environment_settings == {"enable_wind": True, "wind_power": 5.5}


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
    assert "Adam's, of policy and value function together. (default of the preset: 0.001)" in text
    assert "(default in" in text
    assert "--env.half-length FLOAT" in text
    assert "(default: 0.5)" in text  # vf_coef, from the class
