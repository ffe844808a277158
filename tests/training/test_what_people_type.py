"""Names without regard to case, counts as people write them, lists of seeds."""

import gymnasium
import pytest

from upslope.cli.train_command import read_request
from upslope.core.checks import UpslopeError
from upslope.environments.factory import spelled
from upslope.search import METHODS
from upslope.training.config import resolve


@pytest.mark.parametrize("count", [1e6, 1_000_000, "1e6", "1_000_000", "1M", "1000k"])
def test_counts(count):
    assert resolve("CartPole-v1", "ppo", {"total_timesteps": count}).total_timesteps == 10**6
    words = ["CartPole-v1", "ppo", "--total-timesteps", str(count)]
    assert read_request(words).config.total_timesteps == 10**6


@pytest.mark.parametrize("count", ["many", 2.5, "2.5", "1e-3", None, True])
def test_what_is_no_count_is_refused(count):
    with pytest.raises(UpslopeError, match="total_timesteps="):
        resolve("CartPole-v1", "ppo", {"total_timesteps": count})


def test_sizes_of_methods_and_policies_are_counts_too():
    settings = {"n_envs": 8.0, "n_steps": "1e2", "hidden": ["32", 16.0]}
    config = resolve("CartPole-v1", "ppo", settings, use_preset=False)
    assert config.method_settings == {"n_envs": 8, "n_steps": 100}
    assert config.policy_settings["hidden"] == [32, 16]


@pytest.mark.parametrize("words", [["64,32"], ["64", "32"], ["[64,32]"], ["(64,", "32)"]])
def test_sizes_with_commas(words):
    config = read_request(["CartPole-v1", "ppo", "--hidden", *words]).config
    assert config.policy_settings["hidden"] == [64, 32]


def test_seeds_that_count_from_zero_are_how_many():
    assert resolve("CartPole-v1", "ppo", {"seeds": [0, 1, 2]}).seeds == 3
    with pytest.raises(UpslopeError, match="seeds=2, seed=1"):
        resolve("CartPole-v1", "ppo", {"seeds": [5, 6]})


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("cartpole-v1", "CartPole-v1"),
        ("cartpole", "CartPole-v1"),
        ("PENDULUM", "Pendulum-v1"),
        ("lunarlander-v3", "LunarLander-v3"),
        ("cliffwalking-v1", "CliffWalking-v1"),
        ("frozen-lake", "FrozenLake-v1"),
        ("mountain_car", "MountainCar-v0"),
        ("dynamaze", "dyna-maze"),
        ("gymnasium:cartpole", "gymnasium:cartpole"),
        ("nowhere", "nowhere"),
    ],
)
def test_environments_without_regard_to_case(written, name):
    assert spelled(written) == name


def test_a_name_that_two_ids_could_mean_is_not_guessed():
    gymnasium.register("Two-v0", entry_point="nowhere:Two")
    gymnasium.register("Two-v1", entry_point="nowhere:Two")
    try:
        assert spelled("two") == "two"
        assert spelled("TWO-V1") == "Two-v1"
    finally:
        del gymnasium.registry["Two-v0"], gymnasium.registry["Two-v1"]


@pytest.mark.parametrize(
    ("written", "name"), [("PPO", "ppo"), ("CMA-ES", "cma-es"), ("Nelder-Mead", "nelder-mead")]
)
def test_methods_without_regard_to_case(written, name):
    config = resolve("cartpole", written)
    assert (config.environment, config.method) == ("CartPole-v1", name)
    assert read_request(["cartpole", written]).config == config


@pytest.mark.parametrize(
    ("method", "near"), [("sac", "ppo"), ("A2C", "ppo"), ("c51", "dqn"), ("trpo", "natural-")]
)
def test_methods_that_people_expect(method, near):
    with pytest.raises(
        UpslopeError, match=f"'{method}'. It is not in Upslope yet; nearest: {near}.* Known: .*ppo"
    ):
        resolve("CartPole-v1", method)


def test_what_is_nearest_to_methods_that_people_expect_is_there():
    assert set(METHODS.expected.values()) <= set(METHODS.names())


def test_a_length_of_rollouts_alone_finds_its_minibatches():
    from upslope.training.build import build

    config = resolve("CartPole-v1", "ppo", {"n_steps": 100})
    assert build(config).problem.method is not None
    config = resolve("gymnasium:CartPole-v1", "ppo", {"n_steps": 100})
    assert build(config).problem.method is not None
    with pytest.raises(UpslopeError, match="batch_size"):
        build(resolve("CartPole-v1", "ppo", {"n_steps": 100, "batch_size": 77}))
