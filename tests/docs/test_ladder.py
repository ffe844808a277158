"""The regrets of the ladder, by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from upslope.environments import FiniteMDP, LinearQuadratic
from upslope.policies import TabularSoftmax

GAMMA = 0.9


@pytest.fixture(scope="module")
def ladder():
    """The benchmark's module of problems."""
    path = Path(__file__).parents[2] / "benchmarks" / "ladder_problems.py"
    spec = importlib.util.spec_from_file_location("ladder_problems", path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def shop_or_leave() -> FiniteMDP:
    """Stay and earn a half for ever, which is worth 5, or leave at once with 1."""
    transition = np.zeros((2, 2, 2))
    transition[0, 0, 0] = transition[0, 1, 1] = transition[1, :, 1] = 1.0
    return FiniteMDP(transition, [[0.5, 1.0], [0.0, 0.0]], [1.0, 0.0], [False, True])


def test_the_optimal_policy_has_no_regret_and_a_worse_one_what_it_loses(ladder):
    mdp = shop_or_leave()
    best = ladder.optimum(mdp, GAMMA)
    assert best == pytest.approx(5.0, rel=1e-12)
    stays, leaves = [[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]
    regrets = ladder.regrets(TabularSoftmax(jnp.array([stays, leaves])), mdp, GAMMA, best)
    assert regrets[0] == 0.0
    assert regrets[1] == pytest.approx(4.0, rel=1e-12)


def test_chance_loses_what_it_is_not_worth(ladder):
    """Half the time it stays: V = (0.5 + 1) / 2 + 0.45 V."""
    lost = ladder.chance(shop_or_leave(), GAMMA, 5.0)
    assert lost == pytest.approx(5.0 - 0.75 / 0.55, rel=1e-12)


def test_controls_of_a_single_step_cost_what_they_are(ladder):
    """Of one step the best control is none, and u = -x / 2 costs a quarter more."""
    one = np.eye(1)
    system = LinearQuadratic(A=one, B=one, Q=one, R=one, noise_factor=0 * one, time_limit=1)
    best = ladder.optimum(system, GAMMA)
    assert best == pytest.approx(-1.0, rel=1e-12)
    half = ladder.value_of_gain(np.array([[-0.5, 0.0]]), system, GAMMA)
    assert best - half == pytest.approx(0.25, rel=1e-12)


def test_a_policy_above_the_optimum_is_an_error(ladder):
    with pytest.raises(AssertionError, match="above the optimum"):
        ladder.regret_of(np.array([1.0, 1.1]), 1.0)
    assert ladder.regret_of(np.array([1.0 - 1e-12]), 1.0) == 0.0


def test_the_pendulum_on_a_grid_moves_as_the_pendulum_on_average(ladder):
    mdp = ladder.pendulum_on_a_grid(n_angles=24, n_speeds=9)
    np.testing.assert_allclose(np.sum(mdp.transition, axis=2), 1.0, atol=1e-6)
    angles, speeds = -np.pi + np.arange(24) * 2 * np.pi / 24, np.linspace(-8, 8, 9)
    # From a quarter turn, at 2 rad/s, without torque; -15 / 2 sin(-pi / 2) more after a step.
    state = 6 * 9 + 5
    row = np.asarray(mdp.transition[state, 1]).reshape(24, 9)
    speed = 2.0 - 15.0 * 0.05
    assert row.sum(axis=0) @ speeds == pytest.approx(speed, abs=1e-5)
    assert row.sum(axis=1) @ angles == pytest.approx(-np.pi / 2 + 0.05 * speed, abs=1e-5)
    assert mdp.reward[state, 1] == pytest.approx(-((np.pi / 2) ** 2 + 0.1 * 4.0), rel=1e-5)
    assert np.count_nonzero(row) == 4
