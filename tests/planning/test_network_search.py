"""PUCT and Gumbel on mctx: its golden trees through our layer, masks, exact games."""

import builtins

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope.core.checks import UpslopeError
from upslope.core.records import Step
from upslope.environments import Environment, Nim, TicTacToe
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.planning import PUCT, GumbelMCTS

pytest.importorskip("mctx")


class PseudoRandom(Environment):
    """The model of mctx's stored trees (mctx/_src/tests/tree_test.py): the state is a key."""

    n_actions: int = eqx.field(static=True)
    own_discount: float = eqx.field(static=True, default=1.0)
    rewards: bool = eqx.field(static=True, default=True)
    time_limit: int | None = eqx.field(static=True, default=None)

    def reset(self, key):
        return jax.random.PRNGKey(0), ()

    def step(self, key, state, action):
        state = jax.random.split(state, self.n_actions)[action]
        reward_key = jax.random.split(state, 3)[2]
        reward = jax.random.uniform(reward_key, minval=-1.0, maxval=1.0) * self.rewards
        discount = jnp.full((), self.own_discount)
        return state, Step((), reward, jnp.zeros((), bool), discount)

    def evaluate(self, state, observation):
        policy_key, value_key, _ = jax.random.split(state, 3)
        value = jax.random.uniform(value_key, minval=-1.0, maxval=1.0)
        return jax.random.normal(policy_key, (self.n_actions,)), value

    @property
    def observation_space(self):
        return spaces.Box(0, 1, (1,))

    @property
    def action_space(self):
        return spaces.Discrete(self.n_actions)


# mctx/_src/tests/test_data (Apache-2.0): the root's value and its children's visits.
GOLDEN = {
    "gumbel_muzero_reward_tree.json": (
        PseudoRandom(18), 0.997, GumbelMCTS,
        {"n_simulations": 50, "max_considered": 8, "value_scale": 0.1, "c_visit": 20.0},
        0.63751233, {1: 15, 5: 6, 7: 2, 8: 2, 10: 15, 12: 2, 14: 2, 17: 6},
    ),
    "gumbel_muzero_tree.json": (
        PseudoRandom(82, -1.0, False), 1.0, GumbelMCTS,
        {"n_simulations": 200, "max_considered": 16, "value_scale": 0.5, "c_visit": 50.0},
        0.05357552, {2: 21, 5: 49, 11: 3, 14: 49, 15: 3, 17: 9, 19: 3, 27: 3, 33: 9, 37: 3, 38: 3,
                     56: 3, 59: 9, 63: 3, 65: 9, 75: 21},
    ),
    "muzero_qtransform_tree.json": (
        PseudoRandom(18), 0.997, PUCT, {"n_simulations": 50}, 2.9902523, {7: 2, 14: 48},
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_trees_of_mctx(name):
    model, gamma, kind, settings, value, visits = GOLDEN[name]
    if kind is GumbelMCTS:
        settings = {**settings, "rescale_values": False}
    objective = EpisodicReturn() if gamma == 1 else DiscountedReturn(gamma=gamma)
    planner = kind(model, objective, evaluator=model.evaluate, **settings)
    with jax.threefry_partitionable(False):
        found = jax.jit(planner.plan)(jax.random.PRNGKey(1), jax.random.PRNGKey(0), ())
    np.testing.assert_allclose(found.value, value, atol=1e-3)
    seen = {int(a): int(n) for a, n in enumerate(found.extras.visits) if n}
    assert seen == visits
    assert sum(seen.values()) == settings["n_simulations"]
    np.testing.assert_array_equal(np.isnan(found.extras.action_values), found.extras.visits == 0)


def uneven(state, observation):
    """Prefers taking one, which is illegal nowhere and wrong from most heaps."""
    return jnp.array([2.0, 0.0, 0.0]), jnp.zeros(())


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PUCT, GumbelMCTS])
def test_nim_by_both(kind):
    """From 7 it takes 3 against a prior that says 1; from 2 never 3, which the rules forbid."""
    game = Nim(7)
    planner = kind(game, evaluator=uneven, n_simulations=200)
    plan = jax.jit(jax.vmap(planner.plan, (0, 0, None)))
    heap, _ = game.reset(jax.random.key(0))
    heaps = heap._replace(left=jnp.array([7, 2]), mover=jnp.zeros(2, int))
    found = plan(jax.random.split(jax.random.key(0), 2), heaps, ())
    assert found.action.tolist() == [2, 1]
    values = found.extras.action_values[0]
    assert values[2] > max(values[0], values[1])
    assert int(found.extras.visits[1, 2]) == 0
    assert found.extras.visits.sum(axis=1).tolist() == [200, 200]
    np.testing.assert_allclose(found.action_weights.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.slow
def test_without_an_evaluator_and_batched_equals_single():
    """Even priors and random rollouts: it completes a row. Each plan of a batch is the single's."""
    game = TicTacToe()
    state, _ = game.reset(jax.random.key(0))
    for move in (0, 8, 1, 4):
        state, _ = game.step(jax.random.key(0), state, jnp.asarray(move))
    planner = PUCT(game, n_simulations=60)
    keys = jax.random.split(jax.random.key(2), 3)
    many = jax.jit(jax.vmap(planner.plan, (0, None, None)))(keys, state, ())
    assert many.action.tolist() == [2, 2, 2]
    single = jax.jit(planner.plan)(keys[1], state, ())
    np.testing.assert_array_equal(single.extras.visits, many.extras.visits[1])
    assert planner.model_steps == 60 * 10 + 9


def test_a_missing_mctx_is_named(monkeypatch):
    true_import = builtins.__import__

    def without(name, *rest, **named):
        if name == "mctx":
            raise ImportError(name)
        return true_import(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UpslopeError, match=r"upslope\[planning\]"):
        PUCT(Nim())


@pytest.mark.parametrize(
    ("make_it", "reason"),
    [
        (lambda: PUCT(Nim(), n_simulations=0), "n_simulations=0.*at least 1"),
        (lambda: GumbelMCTS(Nim(), max_considered=0), "at least 1"),
        (lambda: PUCT(Nim(), dirichlet_fraction=2.0), "dirichlet_fraction"),
        (lambda: GumbelMCTS("nim"), "must be an upslope Environment"),
    ],
)
def test_refusals(make_it, reason):
    with pytest.raises(UpslopeError, match=reason):
        make_it()
