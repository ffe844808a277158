"""How solutions are evaluated: by the mode or by draws, how long, and where."""

import numpy as np
import pytest

from small_runs import SMALL
from upslope.core.checks import UpslopeError
from upslope.training.config import resolve
from upslope.training.train import evaluate, resume, train

TINY = dict(SMALL["ppo"], seeds=2, evaluations=2, evaluation_episodes=4, final_episodes=8)


@pytest.fixture(scope="module")
def corridor(tmp_path_factory):
    """A run on the corridor in which all deterministic policies walk for ever."""
    out = tmp_path_factory.mktemp("runs") / "corridor"
    return train("short-corridor", "ppo", out=out, **TINY), out


def test_a_policy_that_must_be_random_is_evaluated_by_draws(corridor):
    run, out = corridor
    assert run.config.deterministic_evaluation is False
    assert all(e.returns.min() > -1000 for e in run.evaluations)
    assert evaluate(out, episodes=4).returns.min() > -1000
    assert (evaluate(out, episodes=4, deterministic=True).returns == -1000).all()


@pytest.mark.parametrize("method", ["ppo", "reinforce", "cem"])
def test_the_corridor_asks_for_draws_of_every_method_unless_told_otherwise(method):
    assert resolve("short-corridor", method).deterministic_evaluation is False
    assert resolve("short-corridor", method, use_preset=False).deterministic_evaluation
    settings = {"deterministic_evaluation": True}
    assert resolve("short-corridor", method, settings).deterministic_evaluation
    assert resolve("CartPole-v1", method).deterministic_evaluation


@pytest.mark.slow
@pytest.mark.parametrize("world", ["CartPole-v1", "gymnasium:CartPole-v1"])
def test_both_kinds_of_worlds_evaluate_as_they_are_told(world):
    runs = [
        train(world, "ppo", **TINY, hidden=(4,), workers=0, deterministic_evaluation=kind)
        for kind in (True, False)
    ]
    by_mode, by_draws = (run.evaluations[0].returns for run in runs)
    assert not np.array_equal(by_mode, by_draws)
    for leaves in zip(*(run.curves["return"] for run in runs), strict=True):
        np.testing.assert_array_equal(*leaves)


@pytest.mark.slow
@pytest.mark.parametrize("world", ["CartPole-v1", "gymnasium:CartPole-v1"])
def test_an_episode_is_as_long_in_evaluation_as_the_objective_says(world):
    settings = {**TINY, "objective": "episodic", "horizon": 7}
    run = train(world, "ppo", workers=0, **settings)
    assert max(e.lengths.max() for e in run.evaluations) == 7


def test_another_world_must_have_as_many_observations_and_actions(corridor):
    with pytest.raises(UpslopeError, match="same spaces"):
        evaluate(corridor[1], episodes=2, environment="dyna-maze")


@pytest.mark.slow
def test_a_run_that_is_resumed_evaluates_as_before(tmp_path):
    from small_runs import InterruptAfter, Interruption

    whole = train("short-corridor", "ppo", **TINY)
    with pytest.raises(Interruption):
        train("short-corridor", "ppo", out=tmp_path / "r", reporter=InterruptAfter(2), **TINY)
    resumed = resume(tmp_path / "r")
    np.testing.assert_array_equal(resumed.evaluations[-1].returns, whole.evaluations[-1].returns)
