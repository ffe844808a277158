"""Races: who runs on, what it costs, and that it finds the best more often at the same price."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from small_searches import OBJECTIVE, first_state, maximize, returns_of
from upslope.core.checks import UpslopeError
from upslope.search import CMAES, CrossEntropyMethod, GeneticAlgorithm
from upslope.search.wrappers.successive_halving import SuccessiveHalving, no_better_than_the_next
from upslope.search.wrappers.wrapped import wrapped

START = jnp.zeros(2)


def race(rounds, population_size=8, n_elites=1, cls=SuccessiveHalving):
    return cls(CrossEntropyMethod(population_size, n_elites, 1, std=1.0), rounds)


def run_one(method, value, key=0):
    """The states of one race, in which a turn of candidate theta is worth value(key, theta)."""
    states = [first_state(method, START, key)]
    for k in range(method.rounds):
        ask, noise, tell = jax.random.split(jax.random.fold_in(jax.random.key(key), k), 3)
        candidates = method.ask(ask, states[-1])
        keys = jax.random.split(noise, candidates.shape[0])
        values = jax.vmap(value)(keys, candidates)
        states.append(method.tell(tell, states[-1], candidates, returns_of(values), OBJECTIVE)[0])
    return states


def first_number(key, theta):
    return theta[0]


class TestTheCourse:
    def test_every_round_costs_a_turn_for_each(self):
        method = race(3)
        states = run_one(method, first_number)
        assert [int(state.counts.sum()) for state in states[1:]] == [8, 16, 24]
        assert [int(state.round) for state in states] == [0, 1, 2, 0]

    def test_the_best_quarter_is_seen_seven_times(self):
        last = run_one(race(3), first_number)[-1]
        order = np.argsort(-np.asarray(last.candidates[:, 0]))
        assert np.asarray(last.counts)[order].tolist() == [7, 7, 3, 3, 1, 1, 1, 1]
        assert np.asarray(last.reached)[order].tolist() == [2, 2, 1, 1, 0, 0, 0, 0]

    def test_populations_that_do_not_halve(self):
        last = run_one(race(3, population_size=7), first_number)[-1]
        order = np.argsort(-np.asarray(last.candidates[:, 0]))
        # 7 turns among 4, then among 2: the better ones have the turns that are left over.
        assert np.asarray(last.counts)[order].tolist() == [1 + 2 + 4, 1 + 2 + 3, 3, 2, 1, 1, 1]

    def test_without_noise_the_method_is_told_what_a_single_turn_would_say(self):
        method = race(3, n_elites=2)
        with_racing = run_one(method, first_number)[-1]
        plain = first_state(method.method, START)
        candidates = with_racing.candidates
        told, _ = method.method.tell(
            jax.random.key(9), plain, candidates, returns_of(candidates[:, 0]), OBJECTIVE
        )
        np.testing.assert_allclose(with_racing.inner.mean, told.mean, rtol=1e-6)
        np.testing.assert_allclose(with_racing.inner.std, told.std, rtol=1e-5)

    def test_means_are_of_all_turns(self):
        def noisy(key, theta):
            return theta[0] + jax.random.normal(key)

        states = run_one(race(2), noisy)
        first, second = (np.asarray(state.totals) for state in states[1:])
        survivors = np.asarray(states[-1].reached) == 1
        assert np.array_equal(first[~survivors], second[~survivors])
        assert np.all(first[survivors] != second[survivors])
        assert np.asarray(states[-1].counts)[survivors].tolist() == [3, 3, 3, 3]

    def test_a_nan_goes_out_first(self):
        def broken(key, theta):
            return jnp.where(theta[0] > 0, jnp.nan, theta[0])

        last = run_one(race(2), broken)[-1]
        out = np.asarray(last.reached) == 0
        bad = np.asarray(last.candidates[:, 0]) > 0
        assert 0 < bad.sum() <= 4
        assert np.all(out[bad])
        assert np.isfinite(np.asarray(last.inner.mean)).all()


def test_what_went_out_stands_below_what_ran_on():
    means = jnp.asarray([3.0, 5.0, 4.0, jnp.nan, 1.0])
    order = jnp.asarray([0, 2, 1, 3, 4])  # 0 and 2 ran on; 1 went out although its mean is higher
    worth = np.asarray(no_better_than_the_next(means, order))
    assert worth.tolist() == [3.0, 3.0, 3.0, -np.inf, 1.0]


class WorseHalf(SuccessiveHalving):
    """Lets the worse half run on."""

    def tell(self, key, state, candidates, experience, objective):
        new, diagnostics = super().tell(key, state, candidates, experience, objective)
        size = self.experience.population_size
        return new._replace(order=jnp.where(new.round > 0, new.order[::-1], jnp.arange(size))), (
            diagnostics
        )


def regret(method, key):
    """How much worse than the best of its candidates the elite of one race is, without noise."""

    def noisy(key, theta):
        return theta[0] + jax.random.normal(key)

    def step(state, key):
        ask, noise, tell = jax.random.split(key, 3)
        candidates = method.ask(ask, state)
        keys = jax.random.split(noise, candidates.shape[0])
        values = jax.vmap(noisy)(keys, candidates)
        return method.tell(tell, state, candidates, returns_of(values), OBJECTIVE)[0], None

    first, key = jax.random.split(key)
    state = method.init(first, START, OBJECTIVE)
    rounds = method.rounds
    state, _ = jax.lax.scan(step, state, jax.random.split(key, rounds))
    return jnp.max(state.candidates[:, 0]) - state.inner.mean[0]


@pytest.mark.slow
def test_the_best_is_found_more_often_than_by_equal_turns():
    """32 candidates with N(0, 1) values seen with N(0, 1) noise, 4 turns for each or a race of 4.

    4000 races: the gain in mean regret is 7 standard errors; that it is below 0 has probability
    1e-12. A race that lets the worse half run on is worse than equal turns by far more.
    """
    keys = jax.random.split(jax.random.key(0), 4000)

    def mean_and_error(method):
        found = np.asarray(jax.jit(jax.vmap(lambda key: regret(method, key)))(keys))
        return found.mean(), found.std() / np.sqrt(found.size)

    class EqualTurns(SuccessiveHalving):
        def _runners(self, state):
            return jnp.arange(self.experience.population_size)

    with_racing, error = mean_and_error(race(4, 32))
    equal, _ = mean_and_error(race(4, 32, cls=EqualTurns))
    wrong, _ = mean_and_error(race(4, 32, cls=WorseHalf))
    assert with_racing < equal - 4 * error
    assert wrong > equal + 4 * error


@pytest.mark.slow
def test_observations_of_all_rounds_are_kept():
    """A policy that normalises its observations has seen every step of the races decided."""
    run = upslope.train(
        "CartPole-v1",
        "cem",
        population_size=8,
        n_elites=2,
        episodes_per_candidate=1,
        racing=2,
        policy="deterministic-linear",
        normalize_observations=True,
        total_timesteps=2000,
        seeds=1,
        evaluations=1,
        final_episodes=2,
        out=None,
    )
    after_each_round = np.asarray(run.curves["steps"])
    decided = after_each_round[1::2]
    assert float(run.policy(0).moments.count) == decided[-1]


@pytest.mark.slow
@pytest.mark.parametrize("cls", [CMAES, CrossEntropyMethod, GeneticAlgorithm])
def test_methods_that_race(cls):
    """The setting gives a race; each climbs a noisy hill with it."""

    def noisy(key, theta):
        return -jnp.sum(jnp.square(theta - 1.0)) + 0.3 * jax.random.normal(key)

    noisy.noisy = True
    settings = {
        CMAES: {"std": 0.3},
        CrossEntropyMethod: {"n_elites": 4, "min_std": 0.1},
        GeneticAlgorithm: {"n_parents": 4},
    }
    method = wrapped(cls(16, episodes_per_candidate=1, **settings[cls]), racing=3)
    assert isinstance(method, SuccessiveHalving)
    assert method.rounds == 3
    state, _ = maximize(method, noisy, START, 90)
    solution = np.asarray(method.solution(state))
    assert np.sum((solution - 1.0) ** 2) < 0.5  # 2 at the start


class TestRefused:
    def test_common_random_numbers(self):
        with pytest.raises(UpslopeError, match="racing=2 with common_random_numbers"):
            wrapped(CMAES(8, common_random_numbers=True), racing=2)

    def test_more_rounds_than_halvings(self):
        with pytest.raises(UpslopeError, match="Use at most 4"):
            wrapped(CrossEntropyMethod(8, 2), racing=5)

    @pytest.mark.parametrize("value", [0, -1, 1.5])
    def test_numbers_that_make_no_sense(self, value):
        with pytest.raises(UpslopeError, match="racing"):
            wrapped(GeneticAlgorithm(), racing=value)
