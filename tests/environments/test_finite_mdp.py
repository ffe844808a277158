"""Finite MDPs: what they draw, what they refuse, and the worlds that are one underneath."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.environments import BlockingMaze, DynaMaze, FiniteMDP, ShortCorridor, garnet, make
from upslope.environments.tabular.finite_mdp import draw

P = np.array(
    [
        [[0.1, 0.2, 0.7], [0.0, 1.0, 0.0]],
        [[0.5, 0.0, 0.5], [0.25, 0.25, 0.5]],
        [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]],
    ]
)
R = np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
MU = np.array([0.5, 0.5, 0.0])


def value(mdp, policy, gamma=1.0):
    """V of a policy [S, A] by a dense solve over the states that are not terminal."""
    transition = np.einsum("sa,san->sn", policy, np.asarray(mdp.transition, float))
    reward = np.sum(policy * np.asarray(mdp.reward), axis=1)
    alive = ~np.asarray(mdp.terminal)
    v = np.zeros(len(alive))
    inside = transition[np.ix_(alive, alive)]
    v[alive] = np.linalg.solve(np.eye(alive.sum()) - gamma * inside, reward[alive])
    return v


def optimum(mdp, gamma, sweeps=2000):
    """V* by value iteration."""
    v = np.zeros(mdp.n_states)
    for _ in range(sweeps):
        v = np.max(np.asarray(mdp.reward) + gamma * np.asarray(mdp.transition) @ v, axis=1)
    return v


def frequencies(outcomes, n):
    return np.bincount(np.asarray(outcomes), minlength=n) / len(outcomes)


def test_draws_follow_the_rows():
    """Chi-squared-like bound: 5.3 standard errors on 15 frequencies, false alarms below 2e-6."""
    mdp, n = FiniteMDP(P, R, MU), 20_000
    keys = jax.random.split(jax.random.key(0), n)
    rows = {"start": (MU, jax.vmap(mdp.reset)(keys)[0])}
    for s, a in ((0, 0), (1, 0), (1, 1), (0, 1)):
        step = jax.vmap(lambda key, s=s, a=a: mdp.step(key, jnp.asarray(s), jnp.asarray(a)))
        after, out = step(keys)
        rows[s, a] = (P[s, a], after)
        np.testing.assert_array_equal(out.reward, np.full(n, R[s, a], np.float32))
        np.testing.assert_array_equal(out.terminated, after == 2)
    for name, (p, outcomes) in rows.items():
        error = np.sqrt(p * (1 - p) / n)
        gap = np.abs(frequencies(outcomes, 3) - p)
        assert (gap <= 5.3 * error).all(), (name, gap, error)


def test_draw_never_gives_an_impossible_outcome():
    row = jnp.asarray([0.0, 0.3, 0.0, 0.7, 0.0, 0.0])
    outcomes = jax.vmap(lambda key: draw(key, row))(jax.random.split(jax.random.key(1), 20_000))
    assert set(np.unique(outcomes)) == {1, 3}
    # rows whose running sum falls short of or beyond one by rounding
    many = jnp.full(1000, 0.001)
    outcomes = jax.vmap(lambda key: draw(key, many))(jax.random.split(jax.random.key(2), 5000))
    assert 950 < int(jnp.max(outcomes)) < 1000


def test_terminal_states():
    mdp = FiniteMDP(P, R, MU)
    np.testing.assert_array_equal(mdp.terminal, [False, False, True])
    # absorbing, but it pays: not terminal
    paying = FiniteMDP(P, np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]), MU)
    assert not bool(jnp.any(paying.terminal))
    # declared: the rows become absorbing without reward
    declared = FiniteMDP(P, R, MU, terminal=[False, True, False])
    np.testing.assert_array_equal(declared.terminal, [False, True, False])
    np.testing.assert_array_equal(declared.transition[1], [[0, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(declared.reward[1], [0, 0])
    _, out = declared.step(jax.random.key(0), jnp.asarray(2), jnp.asarray(0))
    assert not bool(out.terminated)


def test_rewards_by_successor_are_reduced_to_their_expectation(x64):
    by_successor = np.random.default_rng(0).normal(size=(3, 2, 3))
    mdp = FiniteMDP(P, by_successor, MU, terminal=np.zeros(3, bool))
    np.testing.assert_allclose(mdp.reward, np.einsum("san,san->sa", P, by_successor), rtol=1e-12)


def changed(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (changed(P, (1, 0, 0), 0.25), R, MU),
            r"row \(state 1, action 0\) sums to 0.75, off by -0.25",
        ),
        ((P * 2, R, MU), r"sums to 2, off by \+1.*\(6 rows do not\)"),
        (
            (changed(P, (0, 0), [-0.1, 0.4, 0.7]), R, MU),
            r"transition\[0, 0, 0\] = -0.1: a probability cannot be negative",
        ),
        ((changed(P, (0, 1, 2), np.nan), R, MU), r"transition\[0, 1, 2\] = nan"),
        ((P, changed(R, (2, 1), np.inf), MU), r"reward\[2, 1\] = inf"),
        ((P, R, [0.5, 0.4, 0.0]), r"initial that sums to 0.9, off by -0.1"),
        ((P, R, [1.5, -0.5, 0.0]), r"initial\[1\] = -0.5"),
        ((P[:2], R, MU), r"transition of shape \(2, 2, 3\): it must be \[S, A, S\]"),
        (
            (P, R.T, MU),
            r"reward of shape \(2, 3\): with 3 states and 2 actions it must be \(3, 2\)",
        ),
        ((P, R, MU[:2]), r"initial of shape \(2,\): it must be \(3,\)"),
        ((P, R, MU, [True]), r"terminal of shape \(1,\)"),
        ((P, R, MU, None, 0), r"time_limit=0: must be at least 1"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(UpslopeError, match=message):
        FiniteMDP(*arguments)


def test_traced_arrays_build_an_mdp():
    def start_value(reward):
        return jnp.sum(FiniteMDP(P, reward, MU).reward)

    np.testing.assert_allclose(jax.grad(start_value)(jnp.asarray(R)), [[1, 1], [1, 1], [0, 0]])


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.05, -82.105263), (0.5, -12.0), (2 - np.sqrt(2), -11.656854), (0.95, -44.210526)],
)
def test_corridor_value(p, expected):
    mdp = ShortCorridor().finite_mdp()
    policy = np.tile([1 - p, p], (4, 1))
    np.testing.assert_allclose(value(mdp, policy)[0], expected, atol=1e-6)
    np.testing.assert_allclose((2 * p - 4) / (p * (1 - p)), expected, atol=1e-6)


def test_corridor_equals_its_mdp_step_for_step():
    world = ShortCorridor()
    mdp = world.finite_mdp()
    for state in range(4):
        for action in range(2):
            arguments = (jax.random.key(0), jnp.asarray(state), jnp.asarray(action))
            after, out = world.step(*arguments)
            expected, expected_out = mdp.step(*arguments)
            assert int(after) == int(expected)
            assert float(out.reward) == float(expected_out.reward)
            assert bool(out.terminated) == bool(expected_out.terminated)
            assert int(out.observation) == 0


def test_dyna_maze_equals_its_mdp_step_for_step():
    world = DynaMaze()
    mdp = world.finite_mdp()
    cells, actions = np.meshgrid(np.arange(54), np.arange(4), indexing="ij")
    step = jax.vmap(jax.vmap(lambda s, a: world.step(jax.random.key(0), s, a)))
    after, out = step(jnp.asarray(cells), jnp.asarray(actions))
    np.testing.assert_array_equal(after, np.argmax(mdp.transition, axis=-1))
    np.testing.assert_array_equal(out.reward, mdp.reward)
    np.testing.assert_array_equal(out.terminated, np.asarray(mdp.terminal)[np.asarray(after)])
    assert int(mdp.terminal.sum()) == 1


def test_dyna_maze_known_values():
    mdp = DynaMaze().finite_mdp()
    assert int(world_walls := np.asarray(DynaMaze().walls).sum()) == 7, world_walls
    start = int(np.argmax(mdp.initial))
    assert start == 2 * 9 + 0
    np.testing.assert_allclose(optimum(mdp, 0.95)[start], 0.95**13, rtol=1e-6)
    # the expected length of the first episode, a uniform random walk
    steps = FiniteMDP(mdp.transition, -np.ones((54, 4)), mdp.initial, mdp.terminal)
    reachable = np.full((54, 4), 0.25)
    np.testing.assert_allclose(-value(steps, reachable)[start], 868.73, atol=0.01)


@pytest.mark.parametrize(
    ("name", "before", "after", "change"),
    [("blocking-maze", 10, 16, 1000), ("shortcut-maze", 16, 10, 3000)],
)
def test_changing_mazes(name, before, after, change):
    world = make(name)
    for walls, length in ((world.walls, before), (world.walls_after, after)):
        mdp = DynaMaze(walls, world.start, world.goal).finite_mdp()
        np.testing.assert_allclose(optimum(mdp, 0.9)[world.start], 0.9 ** (length - 1), rtol=1e-5)
    # the wall between (4, 8) and (3, 8) changes exactly at the stated step
    state, _ = world.reset(jax.random.key(0))
    up = jnp.asarray(0)
    free = {}
    for clock in (change - 1, change):
        at = state._replace(cell=jnp.asarray(4 * 9 + 8), clock=jnp.asarray(clock))
        free[clock] = int(world.step(jax.random.key(0), at, up)[0].cell) == 3 * 9 + 8
    assert free == {change - 1: name == "blocking-maze", change: name == "shortcut-maze"}


def test_the_goal_of_a_changing_maze_leads_back_to_the_start_and_the_clock_runs_on():
    world = BlockingMaze(change_time=5)
    state, _ = world.reset(jax.random.key(0))
    state = state._replace(cell=jnp.asarray(7), clock=jnp.asarray(41))
    state, out = world.step(jax.random.key(0), state, jnp.asarray(3))
    assert (int(state.cell), int(state.clock)) == (world.start, 42)
    assert (float(out.reward), bool(out.terminated)) == (1.0, False)
    assert int(out.observation) == world.start


@pytest.mark.slow
def test_garnet():
    mdp = garnet(jax.random.key(0), n_states=6, n_actions=3, branching=2)
    row = np.asarray(mdp.transition)
    np.testing.assert_array_equal((row > 0).sum(axis=-1), 2)
    np.testing.assert_allclose(row.sum(axis=-1), 1.0, rtol=1e-6)
    assert not bool(jnp.any(mdp.terminal))
    same = garnet(jax.random.key(0), n_states=6, n_actions=3, branching=2)
    np.testing.assert_array_equal(row, same.transition)
    many = jax.vmap(lambda key: garnet(key, 6, 3, 1))(jax.random.split(jax.random.key(1), 50))
    assert many.transition.shape == (50, 6, 3, 6)
    # one successor each, all states about equally often: 900 draws, 5.3 standard errors
    counts = np.asarray(many.transition).sum(axis=(0, 1, 2))
    assert (np.abs(counts - 150) < 5.3 * np.sqrt(900 * (1 / 6) * (5 / 6))).all()
    with pytest.raises(UpslopeError, match="branching=7 with n_states=6"):
        garnet(jax.random.key(0), 6, 3, 7)
    with pytest.raises(UpslopeError, match="n_actions=0"):
        make("garnet", n_actions=0)
