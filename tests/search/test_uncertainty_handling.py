"""Uncertainty handling: pycma's measure, what it does about noise, what it costs without any."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from small_searches import OBJECTIVE, first_state, returns_of
from upslope.core.checks import UpslopeError
from upslope.search import CMAES
from upslope.search.wrappers.uncertainty_handling import rank_changes
from upslope.search.wrappers.wrapped import wrapped

START = jnp.zeros(3)


def handled(max_evaluations=32.0, **settings):
    method = CMAES(10, std=0.3, **settings)
    return wrapped(method, uncertainty_handling=True, max_evaluations=max_evaluations)


def differences_from_pycma(measure):
    cma = pytest.importorskip("cma")
    measure = jax.jit(measure)
    rng = np.random.default_rng(0)
    differences = []
    for size, again in [(6, 4), (13, 1), (22, 3), (39, 2)] * 15:
        old = rng.normal(size=size)
        new = old[:again] + rng.normal(size=again) * rng.choice([0.01, 0.3, 3.0])
        theirs = cma.NoiseHandler(5, [1, 1, 30])
        theirs.fit, theirs.fitre = list(old), [*new, *old[again:]]
        theirs.idx, theirs.noiseS = np.arange(again), 0.0
        _, each = theirs.update_measure()
        ours = float(measure(-jnp.asarray(old), -jnp.asarray(new)))
        differences.append(abs(ours - np.mean(each)))
    return max(differences)


class TestTheMeasure:
    def test_it_is_pycmas(self):
        assert differences_from_pycma(rank_changes) < 1e-5  # of ranks, in single precision

    def test_a_measure_that_forgets_the_limits_is_not(self):
        def wrong(old, new):
            values = jnp.concatenate([old, old.at[: new.size].set(new)])
            ranks = jnp.argsort(jnp.argsort(-values))
            return jnp.mean(jnp.abs(ranks[: new.size] - ranks[old.size :][: new.size]))

        assert differences_from_pycma(wrong) > 1.0

    def test_nothing_changed(self):
        values = jnp.arange(10.0)
        assert float(rank_changes(values, values[:2])) < 0

    def test_pure_noise(self):
        """Of independent values, s is positive more often than not: 0.5 accepts half of them."""
        rng = np.random.default_rng(0)
        old, new = rng.normal(size=(500, 20)), rng.normal(size=(500, 3))
        s = jax.vmap(rank_changes)(jnp.asarray(old), jnp.asarray(new))
        assert float(jnp.mean(s)) > 1.0


def turns_of(noise, iterations=200, **settings):
    """Evaluations and sigma after some iterations on a slope with some noise."""
    method = handled(**settings)

    def step(state, key):
        ask, draw, tell = jax.random.split(key, 3)
        candidates = method.ask(ask, state)
        values = candidates[:, 0] + noise * jax.random.normal(draw, (candidates.shape[0],))
        state, diagnostics = method.tell(tell, state, candidates, returns_of(values), OBJECTIVE)
        return state, diagnostics

    state = first_state(method, START)
    return jax.lax.scan(step, state, jax.random.split(jax.random.key(0), iterations))


def test_without_noise_one_evaluation_is_enough():
    state, diagnostics = turns_of(0.0, 30)
    assert float(state.evaluations) == 1.0
    assert np.all(np.asarray(diagnostics.evaluations) == 1.0)
    assert np.all(np.asarray(diagnostics.uncertainty) <= 0.0)


def test_with_noise_they_grow_up_to_the_most_allowed():
    _, diagnostics = turns_of(1e6, max_evaluations=6.0)
    evaluations = np.asarray(diagnostics.evaluations)
    assert evaluations.max() == 6.0
    assert evaluations[-50:].mean() > 4.0


def test_sigma_grows_where_evaluations_cannot():
    """With one evaluation allowed and nothing but noise, sigma is pushed up at each update."""
    _, with_push = turns_of(1e6, 60, max_evaluations=1.0)
    plain = CMAES(10, std=0.3)
    state = first_state(plain, START)

    def step(state, key):
        ask, draw = jax.random.split(key)
        candidates = plain.ask(ask, state)
        values = 1e6 * jax.random.normal(draw, (10,))
        return plain.tell(key, state, candidates, returns_of(values), OBJECTIVE)

    state, _ = jax.lax.scan(step, state, jax.random.split(jax.random.key(0), 60))
    assert float(with_push.sigma[-1]) > 10 * float(state.run.sigma)


def test_values_are_the_means_of_all_evaluations():
    method = handled(max_evaluations=2.0)
    state = first_state(method, START)
    state = state._replace(evaluations=jnp.asarray(2.0))
    size = method.experience.population_size
    key = jax.random.key(0)
    candidates = method.ask(key, state)
    np.testing.assert_array_equal(candidates[10:], candidates[: size - 10])
    state, _ = method.tell(key, state, candidates, returns_of(jnp.arange(size) * 1.0), OBJECTIVE)
    assert int(state.turns) == 1
    again = method.ask(jax.random.key(5), state)
    np.testing.assert_array_equal(again, candidates)
    state, diagnostics = method.tell(
        key, state, again, returns_of(jnp.arange(size) * 3.0), OBJECTIVE
    )
    assert int(state.turns) == 0
    means = 2.0 * np.arange(size)
    means[: size - 10] = 0.5 * (means[: size - 10] + means[10:])
    np.testing.assert_allclose(diagnostics.best, means[:10].max())
    np.testing.assert_allclose(diagnostics.population_mean, means[:10].mean())


@pytest.mark.slow
def test_a_sphere_without_noise_costs_no_more_than_what_is_measured():
    """3 of 13 evaluations measure: 1.3 times the evaluations, the iterates the same."""

    def sphere(x):
        return -jnp.sum(x**2)

    settings = {"std": 0.3, "target": -1e-8, "population_size": 10}
    plain = upslope.maximize(sphere, np.ones(5), "cma-es", **settings)
    handling = upslope.maximize(sphere, np.ones(5), "cma-es", uncertainty_handling=True, **settings)
    assert plain.nit == handling.nit
    np.testing.assert_array_equal(plain.x, handling.x)


class TestRefused:
    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"common_random_numbers": True}, "common_random_numbers=True"),
            ({"restarts": "ipop"}, "restarts='ipop'"),
            ({"racing": 2}, "racing=2"),
        ],
    )
    def test_what_does_not_go_together(self, settings, words):
        own = {name: value for name, value in settings.items() if name != "racing"}
        with pytest.raises(UpslopeError, match=words):
            wrapped(CMAES(10, **own), settings.get("racing", 1), uncertainty_handling=True)

    @pytest.mark.parametrize("value", [0, 0.5, float("nan"), float("inf")])
    def test_numbers_that_make_no_sense(self, value):
        with pytest.raises(UpslopeError, match="max_evaluations"):
            wrapped(CMAES(10), uncertainty_handling=True, max_evaluations=value)


@pytest.mark.slow
def test_it_trains_a_policy():
    run = upslope.train(
        "CartPole-v1",
        "cma-es",
        policy="deterministic-linear",
        uncertainty_handling=True,
        total_timesteps=20_000,
        seeds=1,
        evaluations=1,
        final_episodes=5,
        out=None,
    )
    assert np.isfinite(run.curves["uncertainty"]).any()
    assert np.nanmax(run.curves["evaluations"]) >= 1.0
