"""MDPs as lists of successors: equal to the dense ones, certified, and refused where unknown."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope import exact
from upslope.core.checks import UpslopeError
from upslope.environments import ShortCorridor, SparseMDP, garnet, sparse_garnet
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.exact.sparse import _operator, _solve
from upslope.objectives import AverageReward, DiscountedReturn
from upslope.policies import TabularSoftmax


@pytest.fixture
def pair(x64):
    dense = garnet(jax.random.key(0), 40, 3, 4)
    return TabularSoftmax(jax.random.normal(jax.random.key(1), (40, 3))), dense, SparseMDP.of(dense)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.95, 0.999])
def test_value_and_gradient_are_the_dense_ones(pair, gamma):
    policy, dense, sparse = pair
    objective = DiscountedReturn(gamma)
    value, slope = exact.value_and_gradient(policy, dense, objective)
    got, sloped = exact.value_and_gradient(policy, sparse, objective)
    np.testing.assert_allclose(got, value, rtol=0, atol=1e-8)
    np.testing.assert_allclose(sloped.logits, slope.logits, rtol=0, atol=1e-8)
    np.testing.assert_allclose(exact.value(policy, sparse, objective), value, rtol=0, atol=1e-8)


def test_the_bound_holds_and_is_small(pair):
    policy, dense, sparse = pair
    table = exact.policy_table(policy, dense)
    found = exact.sparse_values(policy, sparse, 0.95)
    truth = exact.discounted_values(table, dense, 0.95).value
    assert np.max(np.abs(found.value - truth)) <= found.error + 1e-12
    assert 0 < found.error < 1e-7


def test_sweeps_finish_what_krylov_steps_leave(pair, monkeypatch):
    """A wrong start is worked off by contraction alone."""
    policy, dense, sparse = pair
    monkeypatch.setattr("upslope.exact.sparse.KRYLOV_STEPS", 0)
    table = exact.policy_table(policy, dense)
    operator, reward = _operator(table, sparse, 0.9), jnp.sum(table * sparse.reward, axis=1)
    solve = jax.jit(lambda right: _solve(operator, right, 0.9, lambda v: jnp.max(jnp.abs(v))))
    truth = exact.discounted_values(table, dense, 0.9).value
    np.testing.assert_allclose(solve(reward), truth, rtol=0, atol=1e-8)


def test_it_is_differentiable_in_the_world_too(pair):
    policy, dense, sparse = pair
    import equinox as eqx

    def value(reward, world):
        return exact.value(
            policy, eqx.tree_at(lambda w: w.reward, world, reward), DiscountedReturn(0.9)
        )

    got = jax.grad(value)(sparse.reward, sparse)
    np.testing.assert_allclose(got, jax.grad(value)(dense.reward, dense), atol=1e-8)


def test_the_end_of_an_episode_is_worth_nothing(x64):
    dense = ShortCorridor().finite_mdp()
    sparse = SparseMDP.of(dense)
    policy = TabularSoftmax(jax.random.normal(jax.random.key(2), (4, 2)))
    assert exact.sparse_values(policy, sparse, 0.9).value[3] == 0
    # Declared terminal, whatever its row says.
    lists = SparseMDP(
        np.array([[[1]], [[0]]]), np.ones((2, 1, 1)), np.ones((2, 1)), [1.0, 0.0], [False, True]
    )
    table = jnp.ones((2, 1))
    np.testing.assert_allclose(exact.sparse_values(table, lists, 0.9).value, [1.0, 0.0], atol=1e-9)


@pytest.mark.slow
def test_sampling_it_is_sampling_the_dense_one():
    """Frequencies of successors against p: |z| < 4.5 for 12 of them, a false alarm in 12,000."""
    world = sparse_garnet(jax.random.key(3), 6, 2, 3)
    keys = jax.random.split(jax.random.key(4), 20_000)
    for state, action in ((0, 0), (3, 1)):
        ended, _ = jax.vmap(lambda k: world.step(k, jnp.asarray(state), jnp.asarray(action)))(keys)  # noqa: B023
        count = np.bincount(np.asarray(ended), minlength=6)
        chance = np.zeros(6)
        np.add.at(chance, np.asarray(world.successor[state, action]),
                  np.asarray(world.probability[state, action]))  # fmt: skip
        spread = np.sqrt(len(keys) * chance * (1 - chance))
        assert np.all(np.abs(count - len(keys) * chance) <= 4.5 * spread)


def test_a_sparse_garnet_has_distinct_successors_spread_over_all_states():
    world = sparse_garnet(jax.random.key(5), 12, 200, 4)
    successor = np.sort(np.asarray(world.successor), axis=-1)
    assert np.all(np.diff(successor, axis=-1) > 0)
    count = np.bincount(successor.ravel(), minlength=12)
    expected = 12 * 200 * 4 / 12
    assert np.all(np.abs(count - expected) < 4.5 * np.sqrt(12 * 200 * (4 / 12) * (8 / 12)))


@pytest.mark.slow
def test_a_hundred_thousand_states_fit():
    world = sparse_garnet(jax.random.key(6), 100_000, 2, 3)
    policy = TabularSoftmax(jnp.zeros((100_000, 2)))
    value, slope = exact.value_and_gradient(policy, world, DiscountedReturn(0.9))
    found = exact.sparse_values(policy, world, 0.9)
    assert found.error < 1e-2
    # Not by the same equation: a rollout of expectations, 200 steps of the distribution.
    weight = 0.5 * world.probability
    state, total = np.asarray(world.initial, np.float64), 0.0
    reward = np.asarray(world.reward, np.float64).mean(axis=1)
    flat = np.asarray(world.successor).ravel()
    for step in range(200):
        total += 0.9**step * state @ reward
        moved = (state[:, None, None] * np.asarray(weight)).ravel()
        state = np.bincount(flat, moved, minlength=len(state))
    np.testing.assert_allclose(value, total, atol=1e-4)
    np.testing.assert_allclose(jnp.sum(slope.logits, axis=1), 0.0, atol=1e-6)


GOOD = {
    "successor": np.zeros((2, 1, 1), int),
    "probability": np.ones((2, 1, 1)),
    "reward": np.zeros((2, 1)),
    "initial": np.ones(2) / 2,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"successor": np.full((2, 1, 1), 2)}, r"successor\[0, 0, 0\] = 2"),
        ({"successor": np.zeros((2, 1, 1))}, "whole"),
        ({"successor": np.zeros((2, 2, 1), int)}, "shape"),
        ({"probability": np.full((2, 1, 1), 0.9)}, "off by -0.1"),
        ({"probability": np.full((2, 1, 1), np.nan)}, "probability"),
        ({"reward": np.full((2, 1), np.inf)}, "reward"),
        ({"reward": np.zeros(2)}, "reward of shape"),
        ({"initial": np.ones(2)}, "off by \\+1"),
        ({"initial": np.array([-0.5, 1.5])}, "initial"),
        ({"terminal": np.zeros(3, bool)}, "terminal of shape"),
    ],
)
def test_bad_lists_are_named(change, said):
    with pytest.raises(UpslopeError, match=said):
        SparseMDP(**(GOOD | change))


def test_what_it_does_not_know_is_refused():
    world = SparseMDP(**GOOD)
    table = jnp.ones((2, 1))
    with pytest.raises(UpslopeError, match="AverageReward"):
        exact.value(table, world, AverageReward())
    with pytest.raises(UpslopeError, match="over 7 steps"):
        exact.gradient(table, world, DiscountedReturn(0.9), 7)
    with pytest.raises(UpslopeError, match="gamma"):
        exact.sparse_values(table, world, 1.0)
    with pytest.raises(UpslopeError, match="branching=3"):
        sparse_garnet(jax.random.key(0), 2, 1, 3)
    with pytest.raises(UpslopeError, match="must be"):
        exact.value(jnp.ones((3, 1)), world, DiscountedReturn(0.9))
    assert isinstance(ShortCorridor().finite_mdp(), FiniteMDP)
