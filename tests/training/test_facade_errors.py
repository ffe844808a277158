"""What the facade says to what cannot be: seeds, episodes, figures, starts of episodes."""

import numpy as np
import pytest

from small_runs import InterruptAfter, small_run
from upslope.core.checks import StorageError, UpslopeError
from upslope.environments import make
from upslope.training.config import resolve
from upslope.training.signals import Stopped
from upslope.training.train import evaluate, load, resume, train


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return small_run("ppo", out), out


@pytest.mark.parametrize("episodes", [0, -1, 2.0, "3", None])
def test_evaluating_needs_a_number_of_episodes(saved, episodes):
    with pytest.raises(UpslopeError, match="episodes"):
        evaluate(saved[1], episodes=episodes)


@pytest.mark.parametrize("seed", [2, -1, 1.0, "1"])
def test_a_seed_that_was_not_run_is_named(saved, seed):
    run, out = saved
    for ask in (run.policy, run.agent, lambda seed: load(out, seed=seed)):
        with pytest.raises(UpslopeError, match="seed"):
            ask(seed)


@pytest.mark.parametrize("name", ["nowhere/figure.png", "figure.xyz"])
def test_a_figure_that_cannot_be_written_is_a_storage_error(saved, tmp_path, name):
    with pytest.raises(StorageError, match=name.partition("/")[0]):
        saved[0].plot(tmp_path / name)


def test_starts_of_episodes_are_as_many_as_observations(saved):
    agent = saved[0].agent()
    with pytest.raises(UpslopeError, match="episode_start of 2"):
        agent.predict(np.zeros((3, 4)), episode_start=[True, False])
    assert agent.predict(np.zeros((3, 4)), episode_start=True)[0].shape == (3,)
    assert agent.predict(np.zeros((3, 4)), episode_start=[True] * 3)[0].shape == (3,)


@pytest.mark.parametrize("gamma", ["abc", [0.9], np.array([0.9, 0.8]), True, float("nan")])
def test_a_discount_is_a_number(gamma):
    for method in ("ppo", "cem"):
        with pytest.raises(UpslopeError, match="gamma="):
            train("CartPole-v1", method, gamma=gamma)


def test_a_discount_may_be_an_array_of_no_dimensions():
    assert resolve("CartPole-v1", "ppo", {"gamma": np.float32(0.5)}).objective_settings == {
        "gamma": 0.5,
        "weights": "undiscounted",
    }


@pytest.mark.parametrize("settings", [[1], "a", {1: 2}])
def test_settings_of_the_environment_are_a_table(settings):
    for environment in ("CartPole-v1", make("CartPole-v1")):
        with pytest.raises(UpslopeError, match="environment_settings="):
            train(environment, environment_settings=settings)


def test_an_environment_in_a_configuration_is_a_name():
    with pytest.raises(UpslopeError, match="environment=3"):
        resolve(3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("path", [3, b"here", ["a"]])
def test_what_is_no_path_is_named(saved, path):
    asks = (
        lambda: train("CartPole-v1", out=path),
        lambda: load(path),
        lambda: resume(path),
        lambda: evaluate(path),
        lambda: saved[0].save(path),
        lambda: saved[0].agent().save(path),
    )
    for ask in asks:
        with pytest.raises(UpslopeError, match="must be a path"):
            ask()


@pytest.mark.slow
def test_a_run_without_a_policy_says_how_to_get_one(tmp_path):
    with pytest.raises(Stopped):
        small_run("cem", tmp_path / "run", InterruptAfter(1, "terminate"))
    for ask in (load, evaluate):
        with pytest.raises(StorageError, match=r"no policy yet .*'stopped'.* upslope resume"):
            ask(tmp_path / "run")


def test_a_folder_that_is_neither_run_nor_policy_is_said_to_be_none(tmp_path):
    with pytest.raises(StorageError, match="is not a policy folder"):
        load(tmp_path)


@pytest.mark.slow
def test_a_state_is_of_as_many_episodes_as_observations():
    agent = small_run(
        "ppo", None, policy="recurrent", hidden=(8, 8), total_timesteps=128, n_steps=32
    ).agent()
    _, state = agent.predict(np.zeros((3, 4)))
    assert agent.predict(np.ones((3, 4)), state)[0].shape == (3,)
    for other in (state, "junk", [1, "a"], (), {"a": state[:2]}, np.full((2, 8), "a")):
        with pytest.raises(UpslopeError, match="does not fit 2 observations"):
            agent.predict(np.zeros((2, 4)), other)


def test_a_policy_without_memory_takes_no_state(saved):
    with pytest.raises(UpslopeError, match="no arrays"):
        saved[0].agent().predict(np.zeros((2, 4)), np.zeros((2, 8)))


@pytest.mark.parametrize("method", ["ppo", "reinforce", "cem"])
def test_a_sum_that_never_ends_is_refused_before_any_work(method, tmp_path):
    with pytest.raises(UpslopeError, match=r"LinearQuadratic has time_limit=None.*horizon"):
        small_run(
            method,
            tmp_path / "run",
            environment="linear-quadratic",
            environment_settings={"time_limit": None},
            gamma=1.0,
        )
    assert not (tmp_path / "run").exists()
