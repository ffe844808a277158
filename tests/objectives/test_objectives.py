"""Returns, step weights and credit of every objective, on numbers computed by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.objectives import (
    OBJECTIVES,
    AverageReward,
    AverageValue,
    DiscountedReturn,
    EpisodicReturn,
)
from upslope.objectives.objective import discounted_to_go
from upslope.sampling import Trajectories

GAMMA = 0.5


def episodes() -> Trajectories:
    """Two episodes, of 3 steps and of 1 step; the padding holds rubbish on purpose."""
    reward = jnp.asarray([[1.0, 8.0], [2.0, 99.0], [4.0, 99.0]])
    valid = jnp.asarray([[True, True], [True, False], [True, False]])
    flags = jnp.zeros((3, 2), bool)
    nothing = jnp.zeros((3, 2, 1))
    return Trajectories(nothing, flags, reward, nothing, flags, flags, valid)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "to_go", "whole", "weights"),
    [
        (EpisodicReturn(), [[7, 8], [6, 0], [4, 0]], [[7, 8]] * 3, [1, 1, 1]),
        (
            DiscountedReturn(GAMMA),
            [[3, 8], [4, 0], [4, 0]],
            [[3, 8], [6, 16], [12, 32]],
            [1, 0.5, 0.25],
        ),
        (
            DiscountedReturn(GAMMA, "undiscounted"),
            [[3, 8], [4, 0], [4, 0]],
            [[3, 8]] * 3,
            [1, 1, 1],
        ),
        # The average reward is 15 / 4: rewards become -2.75, -1.75, .25 and 4.25.
        (
            AverageReward(),
            [[-4.25, 4.25], [-1.5, 0], [0.25, 0]],
            [[-4.25, 4.25]] * 3,
            [1 / 3] * 3,
        ),
        (
            AverageValue(GAMMA),
            [[-4.25, 4.25], [-1.5, 0], [0.25, 0]],
            [[-4.25, 4.25]] * 3,
            [2 / 3] * 3,
        ),
    ],
    ids=str,
)
def test_credit_and_weights(objective, to_go, whole, weights):
    batch = episodes()
    np.testing.assert_allclose(objective.credit(batch, "reward-to-go"), to_go, rtol=1e-6)
    np.testing.assert_allclose(objective.credit(batch, "return"), whole, rtol=1e-6)
    np.testing.assert_allclose(objective.step_weights(3), weights, rtol=1e-6)
    np.testing.assert_allclose(
        objective.step_weight(batch), np.asarray(weights, float)[:, None], rtol=1e-6
    )


@pytest.mark.parametrize("objective", [EpisodicReturn(), DiscountedReturn(GAMMA)], ids=str)
def test_weighted_whole_returns_are_the_return_of_the_episode(objective):
    """weight_t times credit_t is the same number at every step: the return J is the mean of."""
    batch = episodes()
    whole = objective.step_weight(batch) * objective.credit(batch, "return")
    np.testing.assert_allclose(whole, np.broadcast_to(whole[:1], (3, 2)), rtol=1e-6)
    discounts = objective.discount ** np.arange(3)
    reward = np.where(batch.valid, batch.reward, 0.0)
    np.testing.assert_allclose(whole[0], discounts @ reward, rtol=1e-6)


def test_samples_of_j_from_a_sum_and_a_length():
    total, length = jnp.asarray([6.0, 0.0]), jnp.asarray([3, 0])
    np.testing.assert_allclose(EpisodicReturn().episode_return(total, length), [6, 0])
    np.testing.assert_allclose(DiscountedReturn(GAMMA).episode_return(total, length), [6, 0])
    np.testing.assert_allclose(AverageReward().episode_return(total, length), [2, 0])
    np.testing.assert_allclose(AverageValue(GAMMA).episode_return(total, length), [4, 0])


def test_the_average_is_over_the_steps_seen():
    np.testing.assert_allclose(AverageReward().average(episodes()), 15 / 4)


def test_to_go_is_numpys_sum(x64):
    reward = np.random.default_rng(0).normal(size=(7, 3))
    expected = [sum(0.9 ** (k - t) * reward[k] for k in range(t, 7)) for t in range(7)]
    np.testing.assert_allclose(discounted_to_go(jnp.asarray(reward), 0.9), expected, rtol=1e-12)


def test_gamma_is_a_number_that_may_be_traced_and_sizes_are_static():
    values = jax.vmap(lambda g: DiscountedReturn(g).step_weights(3))(jnp.asarray([0.5, 0.9]))
    np.testing.assert_allclose(values, [[1, 0.5, 0.25], [1, 0.9, 0.81]], rtol=1e-6)
    assert jax.tree.leaves(DiscountedReturn(0.9)) == [0.9]
    assert jax.tree.leaves(EpisodicReturn(5)) == []


def test_names_lead_to_objectives():
    made = {name: OBJECTIVES.get(name)() for name in OBJECTIVES.names()}
    assert {name: objective.name for name, objective in made.items()} == {
        name: name for name in OBJECTIVES.names()
    }
    with pytest.raises(UpslopeError, match="'discounted'"):
        OBJECTIVES.get("discount")


def test_only_the_episodic_objective_bootstraps_nothing_where_an_episode_is_truncated():
    ends = {name: not OBJECTIVES.get(name).bootstrap_on_truncation for name in OBJECTIVES.names()}
    assert ends == {
        "episodic": True,
        "discounted": False,
        "average-reward": False,
        "average-value": False,
    }
