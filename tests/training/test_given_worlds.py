"""Worlds that are given instead of named."""

import gymnasium
import numpy as np
import pytest

from small_runs import SMALL, InterruptAfter, Interruption
from upslope.core.checks import UpslopeError
from upslope.environments import make
from upslope.environments.classic.cartpole import CartPole
from upslope.training.build import name_of
from upslope.training.train import evaluate, resume, train

TINY = dict(
    SMALL["ppo"], seeds=1, evaluations=2, evaluation_episodes=2, final_episodes=2, workers=0
)

TAXI = next(id for id in gymnasium.registry if id.startswith("Taxi-"))


class Heavier(CartPole):
    """Another world that has kept the name of the one it was made from."""


@pytest.mark.slow
@pytest.mark.parametrize("give", [gymnasium.make, lambda id: lambda: gymnasium.make(id)])
def test_a_gymnasium_environment_or_what_builds_one_can_be_given(give):
    run = train(give("CartPole-v1"), "ppo", **TINY)
    assert run.summary.steps.tolist() == [1024]


@pytest.mark.parametrize("thing", [3, None, 1.5, ["CartPole-v1"]])
def test_what_is_no_world_is_refused(thing):
    with pytest.raises(UpslopeError, match="must be a name"):
        train(thing, "ppo", **TINY)


@pytest.mark.slow
def test_settings_reach_a_world_that_is_given():
    run = train(CartPole(), "ppo", environment_settings={"time_limit": 9}, **TINY)
    assert run.evaluations[-1].lengths.max() <= 9
    assert run.config.environment_settings == {"time_limit": 9}


@pytest.mark.slow
def test_resuming_goes_on_in_the_world_that_was_given(tmp_path):
    world = CartPole(gravity=30.0, time_limit=60)
    whole = train(world, "ppo", **TINY)
    assert whole.config.environment == "CartPole-v1"
    with pytest.raises(Interruption):
        train(world, "ppo", out=tmp_path / "run", reporter=InterruptAfter(1), **TINY)
    resumed = resume(tmp_path / "run")
    np.testing.assert_array_equal(resumed.curves["return"], whole.curves["return"])


@pytest.mark.slow
@pytest.mark.parametrize("world", [Heavier(), CartPole(gravity=np.float32(9.0))])
def test_a_world_that_no_name_stands_for_is_not_replaced_by_its_namesake(world, tmp_path):
    small = {**TINY, "use_preset": False}
    with pytest.raises(Interruption):
        train(world, "ppo", out=tmp_path / "run", reporter=InterruptAfter(1), **small)
    with pytest.raises(UpslopeError, match="No name builds"):
        resume(tmp_path / "run")


def clipped():
    return gymnasium.wrappers.ClipReward(gymnasium.make("CartPole-v1"), 0.0, 0.5)


@pytest.mark.parametrize(
    ("world", "name", "settings"),
    [
        (gymnasium.make("CartPole-v1"), "CartPole-v1", {}),
        (gymnasium.make("CartPole-v1", max_episode_steps=20), "CartPole-v1", {"time_limit": 20}),
        (gymnasium.make("CartPole-v1", max_episode_steps=-1), "CartPole-v1", {"time_limit": None}),
        (make("gymnasium:CartPole-v1", time_limit=15), "CartPole-v1", {"time_limit": 15}),
        (make(f"gymnasium:{TAXI}", action_mask=True), TAXI, {"action_mask": True}),
        (
            gymnasium.make("FrozenLake-v1", desc=["SF", "HG"], max_episode_steps=9),
            "FrozenLake-v1",
            {"desc": ["SF", "HG"], "time_limit": 9},
        ),
    ],
)
def test_a_simulator_that_is_given_keeps_its_settings(world, name, settings):
    given = make(world)
    assert name_of(given) == (f"gymnasium:{name}", settings)
    again = make(f"gymnasium:{name}", **settings)
    assert again == given
    assert again.build().spec == given.build().spec


@pytest.mark.parametrize("world", [clipped(), clipped, gymnasium.make("CartPole-v1").unwrapped])
def test_a_simulator_that_no_name_builds_is_refused_by_its_name(world):
    name, settings = name_of(make(world))
    assert settings == {}
    with pytest.raises(UpslopeError, match=f"No name builds '{name}' again"):
        make(name)


def test_a_run_says_what_simulators_it_had(tmp_path):
    short = gymnasium.make("CartPole-v1", max_episode_steps=20)
    run = train(short, "ppo", out=tmp_path / "run", evaluation_environment=clipped(), **TINY)
    assert run.config.environment_settings == {"time_limit": 20}
    assert run.config.evaluation_environment == "given:CartPole-v1"
    with pytest.raises(UpslopeError, match="No name builds 'given:CartPole-v1' again"):
        evaluate(tmp_path / "run")
    elsewhere = evaluate(tmp_path / "run", episodes=2, environment="CartPole-v1")
    assert elsewhere.returns.shape == (1, 2)
