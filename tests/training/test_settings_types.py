"""Settings of the wrong type are refused by name before any work."""

import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.search import PPO
from upslope.training.build import build
from upslope.training.config import RunConfig, resolve
from upslope.training.train import train


@pytest.mark.parametrize(
    "setting",
    [
        {"n_envs": 8.5},
        {"n_envs": "8.5"},
        {"n_envs": True},
        {"seeds": 2.5},
        {"seeds": True},
        {"total_timesteps": 1e4 + 0.5},
        {"learning_rate": "3e-4"},
        {"learning_rate": True},
        {"gamma": "0.9"},
        {"normalize_advantage": "no"},
        {"normalize_observations": "false"},
        {"deterministic_evaluation": "no"},
        {"deterministic_evaluation": None},
        {"hidden": 64},
        {"hidden": "64,64"},
        {"hidden": [64.5]},
    ],
)
def test_a_value_of_the_wrong_type_is_named(setting):
    (name,) = setting
    with pytest.raises(UpslopeError, match=name):
        build(resolve("CartPole-v1", "ppo", setting))


def test_numbers_of_numpy_are_numbers():
    settings = {
        "n_envs": np.int32(8),
        "seeds": np.int64(2),
        "learning_rate": np.float32(1e-3),
        "hidden": np.array([16, 16]),
        "normalize_advantage": np.False_,
    }
    config = resolve("CartPole-v1", "ppo", settings)
    build(config)
    values = config.to_dict()
    assert values["seeds"] == 2
    assert type(values["seeds"]) is int
    assert values["policy_settings"]["hidden"] == [16, 16]
    assert RunConfig.from_dict(values).to_dict() == values


@pytest.mark.parametrize("method", [3, ["ppo"], PPO])
def test_a_method_is_given_by_its_name(method):
    with pytest.raises(UpslopeError, match="given by its name"):
        resolve("CartPole-v1", method)


def test_minibatches_that_would_cut_streams_are_refused_before_a_run_folder_is_made(tmp_path):
    with pytest.raises(UpslopeError, match="multiple of n_steps=64"):
        train("CartPole-v1", "ppo", policy="recurrent", batch_size=32, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
