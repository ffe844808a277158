"""The genetic algorithm: who breeds, who survives, and how long it takes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_searches import first_state, maximize, one_max, sphere, told
from upslope.core.checks import UpslopeError
from upslope.engine.executables import compiled
from upslope.search import Bits, GeneticAlgorithm

KEYS = jax.random.split(jax.random.key(7), 20_000)


def ranks(method):
    """How often each rank is selected as a parent, in 20 000 draws."""
    drawn = np.asarray(jax.jit(jax.vmap(method.parent))(KEYS))
    return np.bincount(drawn, minlength=method.population_size)


def test_truncation_breeds_from_the_best_alike():
    """Chi-squared below 26 with 4 degrees of freedom: a false alarm in 1 of 30 000."""
    counts = ranks(GeneticAlgorithm(population_size=20, n_parents=5))
    assert (counts[5:] == 0).all()
    assert ((counts[:5] - 4000) ** 2 / 4000).sum() < 26


@pytest.mark.parametrize("size", [1, 2, 4])
def test_tournaments_select_as_order_statistics_say(size):
    """P(rank r) = ((N - r)^k - (N - r - 1)^k) / N^k; chi-squared with 9 degrees of freedom."""
    r, n = np.arange(10), 10
    expected = 20_000 * ((n - r) ** size - (n - r - 1) ** size) / n**size
    method = GeneticAlgorithm(population_size=n, selection="tournament", tournament_size=size)
    counts = ranks(method)
    assert ((counts - expected) ** 2 / expected).sum() < 38
    wrong = ranks(GeneticAlgorithm(n, selection="tournament", tournament_size=size + 1))
    assert ((wrong - expected) ** 2 / expected).sum() > 200


def takeover(method):
    """Generations until copies of the one best fill the population, without variation."""

    def run(key):
        population = jnp.arange(64.0)[:, None]
        state = first_state(method, jnp.zeros(1))._replace(
            population=population, returns=population[:, 0], generation=jnp.asarray(1)
        )
        order = jnp.argsort(-state.returns)
        state = state._replace(population=population[order], returns=state.returns[order])

        def step(state, key):
            asked = method.ask(key, state)
            state, _ = told(method, state, asked, asked[:, 0])
            return state, jnp.sum(state.population[:, 0] > 62.5)

        return jax.lax.scan(step, state, jax.random.split(key, 40))[1]

    keys = jax.random.split(jax.random.key(3), 400)
    copies = np.asarray(jax.jit(jax.vmap(run))(keys))
    return np.where((copies == 64).any(axis=1), np.argmax(copies == 64, axis=1) + 1, 40).mean()


@pytest.mark.slow
def test_takeover_by_truncation_is_logarithmic():
    """Each generation multiplies the best by N / K: it takes log N / log(N / K), rounded up, and a
    little more since parents are drawn at random (Muehlenbein and Schlierkamp-Voosen, 1993)."""
    for parents in (8, 16, 32):
        method = GeneticAlgorithm(64, n_parents=parents, n_elites=1, std=1e-6)
        law = np.log(64) / np.log(64 / parents)
        assert law - 0.5 <= takeover(method) < law + 2.2
    slower = takeover(GeneticAlgorithm(64, selection="tournament", tournament_size=2, std=1e-6))
    assert slower > np.log(64) / np.log(2)  # k = 2 has half the pressure of truncation at 1/4


@pytest.mark.slow
def test_one_plus_one_evolution_as_a_population_of_two():
    """OneMax from random bits: e n ln n - 1.89 n within 10 % (n = 100), elites not re-evaluated."""
    method = GeneticAlgorithm(2, n_parents=1, n_elites=1, reevaluate_elites=False, space=Bits())
    assert method.experience.population_size == 1

    def run(key):
        draw, key = jax.random.split(key)
        start = jax.random.bernoulli(draw, 0.5, (100,))
        _, said = maximize(method, one_max, start, 4500, key)
        return jnp.sum(said.best < 100)

    keys = jax.random.split(jax.random.key(5), 200)
    times = np.asarray(compiled(jax.jit(jax.vmap(run)).lower(keys))(keys))
    assert times.max() < 4500
    np.testing.assert_allclose(times.mean(), np.e * 100 * np.log(100) - 189, rtol=0.1)


@pytest.mark.slow
def test_elites_go_on_unchanged_and_are_tried_again():
    method = GeneticAlgorithm(6, n_parents=3, n_elites=2, std=0.5)
    state = first_state(method, jnp.zeros(3))
    asked = method.ask(jax.random.key(0), state)
    np.testing.assert_array_equal(asked[0], 0)  # the start is among the first
    assert np.abs(np.asarray(asked[1:])).min() > 0
    state, said = told(method, state, asked, [0.0, 5.0, jnp.nan, 3.0, 4.0, 1.0])
    np.testing.assert_array_equal(state.population[:3], asked[jnp.asarray([1, 4, 3])])
    assert float(said.best) == 5
    assert float(said.parent_threshold) == 3
    assert float(state.returns[-1]) == -jnp.inf
    again = method.ask(jax.random.key(1), state)
    np.testing.assert_array_equal(again[:2], asked[jnp.asarray([1, 4])])
    assert (np.asarray(again[2:]) != np.asarray(asked[1])).all()
    state, _ = told(method, state, again, [-9.0, -8.0, 1.0, 0.0, 2.0, 3.0])
    np.testing.assert_array_equal(method.solution(state), again[5])  # its luck did not last


@pytest.mark.slow
def test_elites_that_are_not_tried_again_keep_their_returns():
    method = GeneticAlgorithm(6, n_parents=3, n_elites=2, reevaluate_elites=False)
    assert method.experience.population_size == 4
    state = first_state(method, jnp.zeros(3))
    asked = method.ask(jax.random.key(0), state)
    state, _ = told(method, state, asked, [0.0, 5.0, 3.0, 4.0])
    again = method.ask(jax.random.key(1), state)
    assert again.shape == (4, 3)
    state, said = told(method, state, again, [-9.0, -8.0, 4.5, 0.0])
    np.testing.assert_array_equal(state.returns, [5.0, 4.5, 4.0, 0.0, -8.0, -9.0])
    np.testing.assert_array_equal(method.solution(state), asked[1])
    np.testing.assert_allclose(said.diversity, 5 / 6, rtol=1e-6)


@pytest.mark.slow
def test_children_are_mutated_by_std():
    method = GeneticAlgorithm(5000, n_parents=1, n_elites=0, std=0.3)
    state = first_state(method, jnp.zeros(2))._replace(generation=jnp.asarray(1))
    children = np.asarray(method.ask(jax.random.key(0), state))
    np.testing.assert_allclose(children.std(axis=0), 0.3, rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("crossover", ["uniform", "one-point", "two-point", "blend"])
def test_crossover_mixes_two_parents_at_its_rate(crossover):
    """From parents 0 and 1: children with both kinds of numbers, or numbers in between."""
    method = GeneticAlgorithm(
        4000, n_parents=2, n_elites=0, crossover=crossover, crossover_rate=0.5, std=1e-9
    )
    state = first_state(method, jnp.zeros(8))
    population = state.population.at[0].set(1.0)
    state = state._replace(population=population, generation=jnp.asarray(1))
    children = np.asarray(method.ask(jax.random.key(0), state))
    mixed = (children.min(axis=1) < 1 - 1e-6) & (children.max(axis=1) > 1e-6)
    # Half are crossed, half of those with unlike parents, and not every mask mixes.
    least = {"uniform": 0.22, "one-point": 0.22, "two-point": 0.15, "blend": 0.22}[crossover]
    assert least < mixed.mean() < 0.28
    between = (children > 1e-3) & (children < 1 - 1e-3)
    assert between.any() == (crossover == "blend")


def test_crossover_helps_on_separable_bits():
    """Two halves found apart are joined: OneMax of 60 bits in fewer generations with crossover."""
    reached = {}
    for crossover in ("none", "uniform"):
        method = GeneticAlgorithm(32, n_parents=8, crossover=crossover, rate=1 / 60, space=Bits())
        _, said = maximize(method, one_max, jnp.zeros(60, bool), 120)
        best = np.asarray(said.best)
        reached[crossover] = int(np.argmax(best == 60)) if (best == 60).any() else 999
    assert reached["uniform"] < 0.8 * reached["none"]


@pytest.mark.slow
def test_a_flat_world_and_nan_are_survived():
    method = GeneticAlgorithm(8, n_parents=4)
    for value in (0.0, jnp.nan):
        state, _ = maximize(method, lambda x: x[0] * 0 + value, jnp.ones(2), 10)  # noqa: B023
        assert np.isfinite(np.asarray(method.solution(state))).all()
    state, _ = maximize(GeneticAlgorithm(64, std=0.1), sphere, jnp.zeros(4), 60)
    assert float(sphere(state.population[0])) > -0.02


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: GeneticAlgorithm(population_size=1), "population_size=1"),
        (lambda: GeneticAlgorithm(10, n_parents=12), "n_parents=12 of population_size=10"),
        (lambda: GeneticAlgorithm(10, n_parents=5, n_elites=10), "nothing new"),
        (lambda: GeneticAlgorithm(crossover_rate=1.5), "crossover_rate=1.5"),
        (lambda: GeneticAlgorithm(selection="tournamet"), "'tournament'"),
        (lambda: GeneticAlgorithm(crossover="onepoint"), "'one-point'"),
        (lambda: GeneticAlgorithm(std=0.0), "std=0.0"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, match):
    with pytest.raises(UpslopeError, match=match):
        make()
