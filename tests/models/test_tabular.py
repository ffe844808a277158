"""Counting: exact on the textbook's example, consistent, and honest about what it has not seen."""

import dataclasses
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "environments"))
from environment_checks import check_environment
from model_data import as_trajectories, collected, rows

from upslope import exact
from upslope.core.checks import UpslopeError
from upslope.core.records import Transitions
from upslope.environments import DynaMaze, FiniteMDP, garnet
from upslope.models import MODELS, TabularModel

KEY = jax.random.key(0)
UPDATE = eqx.filter_jit(lambda model, fresh: model.update(KEY, fresh, None))
# Sutton and Barto, example 6.4: states A = 0, B = 1 and the end 2. One episode A, 0, B, 0; six
# times B, 1; once B, 0.
EXAMPLE = rows(
    [0, 1, 1, 1, 1, 1, 1, 1, 1],
    np.zeros(9, int),
    [0, 0, 1, 1, 1, 1, 1, 1, 0],
    [1, 2, 2, 2, 2, 2, 2, 2, 2],
    [False] + [True] * 8,
)


def random_steps(mdp, n, seed=0):
    """Steps from uniform pairs of an MDP: a generative model's."""
    rng = np.random.default_rng(seed)
    s, a = rng.integers(0, mdp.n_states, n), rng.integers(0, mdp.n_actions, n)
    moves = np.cumsum(np.asarray(mdp.transition, float)[s, a], axis=1)
    following = np.argmax(moves / moves[:, -1:] > rng.random((n, 1)), axis=1)
    return rows(s, a, np.asarray(mdp.reward)[s, a], following)


def by_total(counts):
    """The wrong estimate of a published formula: every count over the number of all samples."""
    return counts / counts.sum()


def test_certainty_equivalence_of_the_book(x64):
    model, report = TabularModel().fit(KEY, EXAMPLE)
    mdp = model.finite_mdp()
    values = exact.undiscounted_values(jnp.ones((3, 1)), mdp).value
    np.testing.assert_allclose(values, [0.75, 0.75, 0.0], atol=1e-12)
    np.testing.assert_allclose(mdp.initial, [1 / 8, 7 / 8, 0])
    assert list(mdp.terminal) == [False, False, True]
    assert report.n_transitions == 9
    assert "action 0 in state 0 was tried once" in report.unknown[0]
    wrong = by_total(np.asarray(model.statistics.counts))
    with pytest.raises(UpslopeError, match="sums to"):
        FiniteMDP(wrong, mdp.reward, mdp.initial, mdp.terminal)


def test_batch_temporal_differences_end_at_the_models_values(x64):
    """Theorem: repeated sweeps of TD(0) over a batch converge to the certainty equivalent."""
    mdp = garnet(jax.random.key(3), 5, 1, 3)
    data = random_steps(mdp, 60)
    model, _ = TabularModel().fit(KEY, data)
    value = np.zeros(5)
    for _ in range(3000):
        error = data.reward + 0.8 * value[data.next_observation] - value[data.observation]
        step = np.bincount(data.observation, error, 5) / np.bincount(data.observation, minlength=5)
        value += 0.5 * step
    fixed = exact.discounted_values(jnp.ones((5, 1)), model.finite_mdp(), 0.8).value
    np.testing.assert_allclose(value, fixed, atol=1e-10)


def test_rows_converge_at_the_rate_of_the_bound():
    r"""E ||P_hat - P||_1 <= sqrt(S / N), for every N; a row over all samples stays wrong."""
    mdp = garnet(jax.random.key(1), 6, 2, 4)
    true = np.asarray(mdp.transition, float)
    for n in (200, 2000, 20000):
        model, _ = TabularModel().fit(KEY, random_steps(mdp, n, seed=n))
        visits = np.asarray(model.statistics.counts).sum(axis=2)
        error = np.abs(np.asarray(model.finite_mdp().transition) - true).sum(axis=2)
        # A mean over 12 independent rows, each at most 2: the bound holds with room to spare.
        assert error.mean() <= np.sqrt(6 / visits).mean()
    wrong = by_total(np.asarray(model.statistics.counts))
    assert np.abs(wrong - true).sum(axis=2).mean() > 0.5
    np.testing.assert_allclose(model.finite_mdp().reward, mdp.reward, atol=1e-5)


def test_the_simulation_lemma_holds_for_fitted_models(x64):
    for seed in range(10):
        mdp = garnet(jax.random.key(seed), 6, 3, 3)
        mdp = dataclasses.replace(mdp, reward=(mdp.reward - mdp.reward.min()) / 8)
        model, _ = TabularModel(unvisited="absorbing").fit(KEY, random_steps(mdp, 150, seed))
        fitted = model.finite_mdp()
        policy = np.random.default_rng(seed).dirichlet(np.ones(3), 6)
        gap = exact.simulation_gap(policy, mdp, fitted, 0.9)
        np.testing.assert_allclose(gap.left, gap.right, atol=1e-12)
        seen = np.asarray(model.statistics.counts).sum(axis=2) > 0
        assert seen.all()  # so that the rewards are the true ones, which the bound is about
        bound = exact.simulation_bound(policy, mdp, fitted, 0.9)
        assert abs(gap.left) <= bound.differential <= bound.published
        # Wrong: the occupancy of the model with the value in the model.
        visits = exact.discounted_occupancy(policy, fitted, 0.9, normalized=False)
        value = exact.discounted_values(policy, fitted, 0.9).value
        error = jnp.sum(policy * ((fitted.transition - mdp.transition) @ value), axis=1)
        assert abs(gap.left - 0.9 * jnp.sum(visits * error)) > 1e-6


def test_updates_count_what_fit_counts():
    mdp = garnet(jax.random.key(2), 5, 2, 3)
    data = random_steps(mdp, 120)
    whole, _ = TabularModel().fit(KEY, data)
    model = TabularModel().configure(mdp.observation_space, mdp.action_space)
    model = jax.jit(lambda model, key: model.initialize(key))(model, KEY)
    fresh = as_trajectories(data, 2)
    fresh = fresh._replace(valid=fresh.valid.at[-1, 1].set(False))
    errors = []
    for start in range(0, 60, 15):
        part = jax.tree.map(lambda leaf, start=start: leaf[start : start + 15], fresh)
        model, diagnostics = UPDATE(model, part)
        errors.append(float(diagnostics.model_error))
    assert float(diagnostics.transitions) == 119  # padding is not counted
    s, a, following = (int(np.asarray(x)[-1]) for x in (data[0], data[1], data[3]))
    expected = np.asarray(whole.statistics.counts).copy()
    expected[s, a, following] -= 1
    np.testing.assert_array_equal(model.statistics.counts, expected)
    assert errors[0] > 0.8  # before anything is known a pair is held to stay where it is
    assert errors[-1] < 0.75


def test_the_last_value_is_what_a_changed_world_does():
    maze = [0, 0, 1, 0], [0, 0, 0, 0], [1.0, 1.0, 0.0, 5.0], [1, 1, 0, 2]
    data = rows(*maze)
    model, _ = TabularModel(estimate="last-value").fit(KEY, data)
    mdp = model.finite_mdp()
    np.testing.assert_array_equal(mdp.transition[0, 0], [0, 0, 1])
    assert mdp.reward[0, 0] == 5
    averaged = TabularModel().fit(KEY, data)[0].finite_mdp()
    np.testing.assert_allclose(averaged.transition[0, 0], [0, 2 / 3, 1 / 3], rtol=1e-6)
    online = TabularModel(estimate="last-value").configure(
        model.observation_space, model.action_space
    )
    online, _ = UPDATE(online, as_trajectories(data))
    np.testing.assert_array_equal(online.finite_mdp().transition, mdp.transition)
    np.testing.assert_array_equal(online.finite_mdp().reward, mdp.reward)


def test_unvisited_pairs_are_what_their_name_says():
    data = rows([0, 1, 0], [0, 0, 0], [0.0, 2.0, 0.0], [1, 0, 1])
    fits = {
        name: dataclasses.replace(model, unvisited=name)
        for name in ("optimistic", "absorbing", "refuse")
        for model in [TabularModel().configure(*spaces(2, 2)).fit(KEY, data)[0]]
    }
    optimistic, absorbing = fits["optimistic"].finite_mdp(), fits["absorbing"].finite_mdp()
    np.testing.assert_array_equal(optimistic.transition[:, 1], np.eye(2))
    np.testing.assert_array_equal(optimistic.reward[:, 1], [2.0, 2.0])  # the largest reward seen
    np.testing.assert_array_equal(absorbing.reward[:, 1], [0.0, 0.0])
    more = dataclasses.replace(fits["optimistic"], optimistic_reward=7.0)
    assert more.finite_mdp().reward[0, 1] == 7
    with pytest.raises(UpslopeError, match=r"never seen the state-action pairs \(0, 1\)"):
        fits["refuse"].finite_mdp()
    with pytest.raises(UpslopeError, match="never seen action 1 in state 0"):
        fits["refuse"].step(KEY, jnp.asarray(0), jnp.asarray(1))
    _, out = eqx.filter_jit(TabularModel.step)(fits["refuse"], KEY, jnp.asarray(0), jnp.asarray(1))
    assert np.isnan(out.reward)
    assert int(fits["refuse"].step(KEY, jnp.asarray(0), jnp.asarray(0))[0]) == 1


def test_a_pair_is_known_after_so_many_visits():
    data = rows([0, 0, 0, 1, 1, 1], [0] * 6, [0.0, 0.0, 3.0, 0.0, 1.0, 0.0], [1, 1, 0, 0, 0, 0])
    three, report = TabularModel(known_after=3, unvisited="absorbing").fit(KEY, data)
    four, doubtful = TabularModel(known_after=4, unvisited="absorbing").fit(KEY, data)
    np.testing.assert_allclose(three.finite_mdp().transition[0, 0], [1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(three.finite_mdp().reward[:, 0], [1.0, 1 / 3], rtol=1e-6)
    np.testing.assert_array_equal(four.finite_mdp().transition[:, 0], np.eye(2))
    np.testing.assert_array_equal(four.finite_mdp().reward[:, 0], [0.0, 0.0])
    assert not any("tried less" in sentence for sentence in report.unknown)
    assert "2 of 2 actions in the states seen were tried less than 4 times" in doubtful.unknown[0]
    with pytest.raises(UpslopeError, match=r"seen less than 4 times action 0 in state 1"):
        dataclasses.replace(four, unvisited="refuse").step(KEY, jnp.asarray(1), jnp.asarray(0))
    with pytest.raises(UpslopeError, match="known_after=0"):
        TabularModel(known_after=0)


def spaces(n_states, n_actions):
    """Of numbered states and actions."""
    return Discrete(n_states), Discrete(n_actions)


def test_a_prior_is_imaginary_counts():
    model, _ = TabularModel(prior=0.5).fit(KEY, EXAMPLE)
    np.testing.assert_allclose(
        model.finite_mdp().transition[0, 0], np.array([0.5, 1.5, 0.5]) / 2.5, rtol=1e-6
    )


def test_states_that_sometimes_end_get_an_end_of_their_own(x64):
    data = rows([0, 0, 0, 1], [0, 0, 0, 0], [1.0, 0.0, 1.0, 0.0], [1, 1, 1, 0], [1, 0, 1, 0])
    with pytest.raises(UpslopeError, match="state 1 ended 2 episodes"):
        TabularModel().fit(KEY, data)
    model, _ = TabularModel(end_state=True).fit(KEY, data)
    mdp = model.finite_mdp()
    np.testing.assert_allclose(mdp.transition[0, 0], [0, 1 / 3, 2 / 3])
    assert list(mdp.terminal) == [False, False, True]
    # By hand: V(0) = 2/3 + 1/3 V(1), V(1) = V(0).
    value = exact.undiscounted_values(jnp.ones((3, 1)), mdp).value
    np.testing.assert_allclose(value[:2], [1.0, 1.0])


def test_a_maze_is_recovered_from_a_random_walk():
    maze = DynaMaze()
    rng = np.random.default_rng(0)
    data = collected(maze, rng.integers(0, 4, (40, 300)))
    model, report = TabularModel(unvisited="absorbing").fit(KEY, data)
    true, fitted = maze.finite_mdp(), model.finite_mdp()
    seen = np.asarray(model.statistics.counts).sum(axis=2) > 0
    for name in ("transition", "reward"):
        found, wanted = (np.asarray(getattr(mdp, name))[seen] for mdp in (fitted, true))
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert report.model_error == 0
    assert any("states were never seen" in sentence for sentence in report.unknown)
    assert int(jnp.argmax(fitted.initial)) == 18


@pytest.mark.slow
def test_it_is_an_environment():
    check_environment(TabularModel().fit(KEY, EXAMPLE)[0])
    check_environment(TabularModel().fit(KEY, random_steps(garnet(KEY, 5, 2, 3), 50))[0])


def test_counts_of_ones_own():
    counts = np.zeros((2, 1, 2))
    counts[0, 0] = [1, 3]
    model = TabularModel.of_counts(counts, [[0.5], [0.0]], terminal=[False, True])
    mdp = model.finite_mdp()
    np.testing.assert_allclose(mdp.transition[0, 0], [0.25, 0.75])
    np.testing.assert_allclose(mdp.initial, [1, 0])
    for wrong, match in ((-1.0, "negative"), (np.nan, "finite"), (np.inf, "finite")):
        counts[0, 0, 1] = wrong
        with pytest.raises(UpslopeError, match=rf"counts\[0, 0, 1\] = .*{match}"):
            TabularModel.of_counts(counts, [[0.5], [0.0]])
    with pytest.raises(UpslopeError, match="reward of shape"):
        TabularModel.of_counts(np.ones((2, 1, 2)), [0.5, 0.0])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"observation": np.zeros(9, int), "next_observation": np.zeros(9, int)}, "one state, 0"),
        ({"observation": np.linspace(0, 1, 9)}, r"observation\[1\] = 0.125"),
        ({"action": -np.ones(9, int)}, r"action\[0\] = -1"),
        ({"reward": np.full(9, np.nan)}, r"reward\[0\] = nan"),
        ({"reward": np.zeros(8)}, "9 rows of observation and 8 of reward"),
        ({"observation": np.zeros((9, 2), int)}, "of shape"),
        ({"weight": np.zeros(9)}, "0 rows to fit to"),
    ],
)
def test_bad_data_is_refused(change, match):
    with pytest.raises(UpslopeError, match=match):
        TabularModel().fit(KEY, EXAMPLE._replace(**change))


def test_bad_settings_are_refused():
    with pytest.raises(UpslopeError, match="Did you mean 'optimistic'"):
        TabularModel(unvisited="optimist")
    with pytest.raises(UpslopeError, match="prior"):
        TabularModel(prior=-1.0)
    with pytest.raises(UpslopeError, match="has no spaces yet"):
        TabularModel().finite_mdp()
    with pytest.raises(UpslopeError, match="more than the"):
        TabularModel().configure(*spaces(100_000, 4))
    with pytest.raises(UpslopeError, match="Transitions"):
        TabularModel().fit(KEY, np.zeros(3))
    with pytest.raises(UpslopeError, match="EnsembleModel"):
        TabularModel().configure(Box(-1, 1, (2,)), spaces(2, 2)[1])


def test_trajectories_become_rows_stream_by_stream():
    data = rows(np.arange(6), np.zeros(6, int), np.arange(6), np.arange(6) + 1)
    flat = Transitions.of(as_trajectories(data, 2))
    np.testing.assert_array_equal(flat.observation, [0, 2, 4, 1, 3, 5])
    batches = jax.tree.map(lambda leaf: leaf.reshape(3, 1, 2), as_trajectories(data, 2))
    np.testing.assert_array_equal(Transitions.of(batches).observation, np.arange(6))


def test_models_have_names():
    assert MODELS.get("tabular") is TabularModel
