"""Worlds that are given instead of named."""

import gymnasium
import numpy as np
import pytest

from small_runs import SMALL, InterruptAfter, Interruption
from upslope.core.checks import UpslopeError
from upslope.environments.classic.cartpole import CartPole
from upslope.training.train import resume, train

TINY = dict(
    SMALL["ppo"], seeds=1, evaluations=2, evaluation_episodes=2, final_episodes=2, workers=0
)


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


@pytest.mark.parametrize("world", [Heavier(), CartPole(gravity=np.float32(9.0))])
def test_a_world_that_no_name_stands_for_is_not_replaced_by_its_namesake(world, tmp_path):
    small = {**TINY, "use_preset": False}
    with pytest.raises(Interruption):
        train(world, "ppo", out=tmp_path / "run", reporter=InterruptAfter(1), **small)
    with pytest.raises(UpslopeError, match="Unknown environment"):
        resume(tmp_path / "run")
