"""The rollout algorithm: policy improvement, standard errors, what it simulates."""

import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

sys.path.insert(0, str(Path(__file__).parent))
from planning_problems import Coin, Graph

from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError
from upslope.core.records import Act
from upslope.environments import Nim, Pendulum, RandomLegal, TicTacToe
from upslope.objectives import DiscountedReturn
from upslope.planning import MPPI, PlanningActor, RandomShooting, Rollout


class Table(Actor):
    """One action for each state of a graph."""

    actions: Array

    def act(self, noise, observation, memory):
        return Act(self.actions[observation], memory)


def planned(planner, state, seed=0):
    plan = jax.jit(lambda key, state: planner.plan(key, state, ()))
    return plan(jax.random.key(seed), state)


def value_of(actions, successor, reward, gamma):
    """V of a deterministic policy in a deterministic process, exactly."""
    rows = np.arange(5)
    moves = np.eye(5)[successor[rows, actions]]
    return np.linalg.solve(np.eye(5) - gamma * moves, reward[rows, actions])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_is_never_worse_than_its_base_in_any_state(seed, x64):
    """Exact Q (deterministic process, V of the base at the horizon): V_rollout >= V_base.

    The truncated simulation equals Q to 1e-9. Without the discount of the terminal value, the
    wrong variant, it does not.
    """
    gamma, graph = 0.9, Graph.drawn(seed)
    successor, reward = np.asarray(graph.successor), np.asarray(graph.reward)
    base = np.random.default_rng(seed).integers(3, size=5)
    worth = value_of(base, successor, reward, gamma)
    planner = Rollout(
        graph,
        DiscountedReturn(gamma=gamma),
        base=Table(jnp.asarray(base)),
        n_rollouts=1,
        horizon=4,
        terminal_value=lambda state, observation: jnp.asarray(worth)[state],
    )
    found = jax.jit(jax.vmap(lambda s: planner.plan(jax.random.key(0), s, ())))(jnp.arange(5))
    exact = reward + gamma * worth[successor]
    np.testing.assert_allclose(found.extras.action_values, exact, rtol=1e-9)
    assert np.abs(found.extras.action_values - (reward + worth[successor])).max() > 1e-3
    improved = value_of(np.asarray(found.action), successor, reward, gamma)
    assert (improved >= worth - 1e-9).all()
    assert improved.sum() > worth.sum() or (exact.argmax(axis=1) == base).all()


class Noisy(Coin):
    """Reward a + a standard normal, and then the end."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        reward = action + jax.random.normal(key)
        return state, out._replace(reward=reward, terminated=jnp.ones((), bool))


def test_standard_errors_and_common_random_numbers():
    """sd / sqrt(N) within 4.5 of its own standard errors; differences of actions have no noise."""
    extras = planned(Rollout(Noisy(), n_rollouts=400), jnp.zeros(())).extras
    assert extras.simulations.tolist() == [400, 400]
    assert np.abs(np.asarray(extras.standard_errors) - 1 / 20).max() < 4.5 * 0.05 / np.sqrt(800)
    assert np.abs(np.asarray(extras.action_values) - [0, 1]).max() < 4.5 / 20
    difference = float(extras.action_values[1] - extras.action_values[0])
    assert difference == pytest.approx(1.0, abs=1e-5), "the same noise for both"


class Counter(Graph):
    """Counts its steps on the host, and in which state each began."""

    calls: list = eqx.field(static=True, default_factory=list)

    def step(self, key, state, action):
        state = state + jax.random.randint(key, (), 0, 1)  # so that each simulation is a call
        jax.debug.callback(lambda s, a: self.calls.append((int(s), int(a))), state, action)
        return super().step(key, state, action)


def test_only_the_actions_of_the_root_are_tried():
    """Each action N times from the root; from every other state the base policy's action alone."""
    graph = Graph.drawn(2)
    counter = Counter(graph.successor, graph.reward, 6)
    base = Table(jnp.array([0, 1, 2, 0, 1]))
    planner = Rollout(counter, base=base, n_rollouts=3, horizon=2)
    planner.plan(jax.random.key(0), jnp.asarray(0), ())
    jax.effects_barrier()
    calls = counter.calls
    assert len(calls) == 3 * 3 * 2 == planner.model_steps
    successors = [int(graph.successor[0, a]) for a in range(3)]
    wanted = [(0, a) for a in range(3)] * 3 + [(s, int(base.actions[s])) for s in successors] * 3
    assert sorted(calls) == sorted(wanted)


def test_sequential_halving_spends_the_same_on_fewer():
    planner = Rollout(Graph.drawn(0), n_rollouts=40, horizon=5, halving=True)
    assert planner.rounds == ((3, 20), (2, 30))
    extras = planned(planner, jnp.asarray(1)).extras
    assert sorted(extras.simulations.tolist()) == [20, 50, 50]
    assert sum(many * often for many, often in planner.rounds) == 120
    plain = planned(Rollout(Graph.drawn(0), n_rollouts=50, horizon=5), jnp.asarray(1)).extras
    # The nth simulation of an action is the same one in both.
    full = np.asarray(extras.simulations) == 50
    np.testing.assert_allclose(
        np.asarray(extras.action_values)[full], np.asarray(plain.action_values)[full], rtol=1e-5
    )


@pytest.mark.slow
def test_games_signs_and_masks():
    """One move before the end of Nim; tic-tac-toe: it completes its row, and stops the other's."""
    heap, _ = Nim(2).reset(jax.random.key(0))
    extras = planned(Rollout(Nim(2), n_rollouts=4), heap).extras
    assert extras.action_values[:2].tolist() == [-1.0, 1.0]
    assert np.isnan(extras.action_values[2])
    game = TicTacToe()
    plan = jax.jit(Rollout(game, n_rollouts=200).plan)

    def move_after(moves):
        state, _ = game.reset(jax.random.key(0))
        for move in moves:
            state, _ = game.step(jax.random.key(0), state, jnp.asarray(move))
        return int(plan(jax.random.key(1), state, ()).action)

    assert move_after([0, 8, 1, 4]) == 2
    assert move_after([0, 4, 1]) == 2, "else the opponent wins there"


@pytest.mark.slow
def test_bases_of_every_kind():
    """A planner as base policy, and one that reads masks."""
    graph = Graph.drawn(3)
    base = PlanningActor(RandomShooting(graph, n_candidates=30, horizon=4))
    found = planned(Rollout(graph, base=base, n_rollouts=2, horizon=4), jnp.asarray(0))
    assert np.isfinite(found.extras.action_values).all()
    game = TicTacToe()
    state, _ = game.reset(jax.random.key(0))
    own = planned(Rollout(game, n_rollouts=100), state)
    given = planned(Rollout(game, base=RandomLegal(), n_rollouts=100), state)
    difference = np.asarray(own.extras.action_values - given.extras.action_values)
    errors = np.hypot(own.extras.standard_errors, given.extras.standard_errors)
    assert (np.abs(difference) < 4.5 * errors).all()


@pytest.mark.slow
def test_batched_equals_single():
    planner = Rollout(Nim(9), n_rollouts=5, halving=True)
    keys = jax.random.split(jax.random.key(0), 4)
    heap, _ = Nim(9).reset(keys[0])
    heaps = heap._replace(left=jnp.array([9, 2, 1, 5]), mover=jnp.zeros(4, int))
    batched = jax.jit(jax.vmap(planner.plan, (0, 0, None)))(keys, heaps, ())
    for n in range(4):
        single = jax.jit(planner.plan)(keys[n], jax.tree.map(lambda x, at=n: x[at], heaps), ())
        for one, many in zip(jax.tree.leaves(single), jax.tree.leaves(batched), strict=True):
            np.testing.assert_array_equal(one, many[n])


@pytest.mark.parametrize(
    ("make_it", "reason"),
    [
        (lambda: Rollout(TicTacToe(), n_rollouts=0), "n_rollouts=0.*at least 1"),
        (lambda: Rollout(Pendulum()), "Discrete.*'cem'"),
        (lambda: Rollout(MPPI(Pendulum())), "must be an upslope Environment"),
        (lambda: Rollout(Coin(time_limit=None)), "horizon=100"),
        (lambda: Rollout(Coin(), horizon=0), "at least 1"),
    ],
)
def test_refusals(make_it, reason):
    with pytest.raises(UpslopeError, match=reason):
        make_it()
