"""Gymnasium's toy-text tables as finite MDPs: values, ends, starts, and what they leave out."""

import gymnasium
import numpy as np
import pytest

import upslope
from upslope.core.checks import UpslopeError
from upslope.environments.adaptors.toy_text import table_of
from upslope.environments.tabular.sparse_mdp import SparseMDP

METHOD = "value-iteration"


def plain_values(table, gamma):
    """Value iteration on Gymnasium's own P, as a textbook has it."""
    entries = [(s, a, p, t, r, d) for s in table for a in table[s] for p, t, r, d in table[s][a]]
    source, action, chance, target, reward, ended = map(np.array, zip(*entries, strict=True))
    n_states, n_actions = len(table), len(table[0])
    values = np.zeros(n_states)
    while True:
        worth = chance * (reward + gamma * np.where(ended, 0.0, values[target]))
        after = np.bincount(source * n_actions + action, worth).reshape(n_states, -1).max(axis=1)
        if np.abs(after - values).max() < 1e-13:
            return after
        values = after


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("FrozenLake-v1", {}),
        ("FrozenLake-v1", {"is_slippery": False}),
        ("FrozenLake8x8-v1", {}),
        ("CliffWalking-v1", {}),
        ("CliffWalking-v1", {"is_slippery": True}),
        ("Taxi-v4", {}),
    ],
)
def test_values_are_those_of_the_table(name, settings):
    env = gymnasium.make(name, **settings)
    truth = plain_values(env.unwrapped.P, 0.95)
    found = upslope.solve(name, METHOD, 0.95, tolerance=1e-9, environment_settings=settings)
    live = ~found.terminal[: len(truth)]
    np.testing.assert_allclose(found.values[: len(truth)][live], truth[live], atol=1e-9)
    start = np.asarray(env.unwrapped.initial_state_distrib, float)
    assert found.start_value == pytest.approx(start @ truth, abs=1e-9)
    np.testing.assert_allclose(found.initial[: len(truth)], start)
    if env.spec.max_episode_steps is not None:
        limit = f"truncates episodes after {env.spec.max_episode_steps:,} steps"
        assert any(limit in note for note in found.notes)


def test_an_end_that_earns_in_its_own_row_earns_nothing():
    """The row of a state after the end is never played, whatever the table says there."""
    table = {
        0: {0: [(1.0, 1, 2.0, True)]},
        1: {0: [(1.0, 1, 5.0, False)]},
    }
    found = upslope.solve(table, METHOD, 0.5)
    assert found.terminal.tolist() == [False, True]
    np.testing.assert_allclose(found.values, [2.0, 0.0], atol=1e-8)
    looked_up = 2.0 + 0.5 * 5.0 / (1 - 0.5)
    assert abs(found.values[0] - looked_up) > 1.0  # what ignoring `terminated` gives


def test_a_state_entered_both_ways_is_told_apart_from_the_end():
    """From state 0 one action ends the episode in state 1, the other goes on from there."""
    table = {
        0: {0: [(1.0, 1, 0.0, True)], 1: [(1.0, 1, 0.0, False)]},
        1: {0: [(1.0, 0, 1.0, False)], 1: [(1.0, 0, 1.0, False)]},
    }
    found = upslope.solve(table, METHOD, 0.5)
    assert found.n_states == 3
    assert found.terminal.tolist() == [False, False, True]
    np.testing.assert_allclose(found.values, [0.5 / 0.75, 1 / 0.75, 0.0], atol=1e-7)
    assert found.policy[0] == 1
    assert any("state 2 is the end" in note for note in found.notes)


def test_taxis_start_and_end():
    found = table_of(upslope.make("Taxi-v4"))
    initial = np.asarray(found.mdp.initial)
    assert np.count_nonzero(initial) == 300
    assert initial.sum() == pytest.approx(1.0)
    assert found.mdp.n_states == 501
    assert np.flatnonzero(found.mdp.terminal).tolist() == [500]


def test_large_tables_become_lists_of_successors():
    n = 3000
    table = {s: {0: [(0.5, s, 0.0, False), (0.5, s + 1, -1.0, s + 1 == n)]} for s in range(n)}
    table[n] = {0: [(1.0, n, 0.0, True)]}
    mdp = table_of(table).mdp
    assert isinstance(mdp, SparseMDP)
    found = upslope.solve(table, METHOD, 0.5)
    assert found.values[0] == pytest.approx(-0.5 / (1 - 0.25) / (1 - 1 / 3), abs=1e-6)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({0: {0: [(0.5, 0, 0.0, False)]}}, "sum to 0.5"),
        ({0: {0: [(1.0, 7, 0.0, False)]}}, "a state from 0 to 0"),
        ({0: {0: [(1.0, 0, np.nan, False)]}}, "finite reward"),
        ({0: {0: [(1.0, 0, 0.0)]}}, "next state, reward, terminated"),
        ({1: {0: [(1.0, 1, 0.0, False)]}}, "not numbered"),
        ({0: {0: [(1.0, 0, 0.0, False)]}, 1: {}}, "0 actions in state 1"),
    ],
)
def test_bad_tables_are_named(table, told):
    with pytest.raises(UpslopeError, match=told):
        upslope.solve(table)


def test_rules_that_the_table_leaves_out_are_refused():
    with pytest.raises(UpslopeError, match="fickle passenger"):
        upslope.solve("Taxi-v4", environment_settings={"fickle_passenger": True})
    wrapped = gymnasium.wrappers.TransformReward(gymnasium.make("FrozenLake-v1"), lambda r: 2 * r)
    with pytest.raises(UpslopeError, match="TransformReward"):
        upslope.solve(wrapped)
    found = upslope.solve(gymnasium.make("FrozenLake-v1"), METHOD, 0.95)
    assert found.start_value == pytest.approx(0.1804715784, abs=1e-7)


def test_exact_values_and_gradients_work_on_a_table():
    lake = upslope.make("FrozenLake-v1")
    mdp = upslope.exact.as_finite_mdp(lake)
    uniform = np.full((16, 4), 0.25)
    value = upslope.exact.discounted_values(uniform, lake, 0.99).value
    assert float(value[0]) == pytest.approx(0.0123566, abs=1e-5)
    assert mdp.time_limit == 100
    with pytest.raises(UpslopeError, match="without a table"):
        upslope.exact.as_finite_mdp(upslope.make("Blackjack-v1"))
