"""Nelder-Mead against SciPy's: the same simplex, step by step, and the same counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from small_searches import OBJECTIVE, first_state, maximize, returns_of, told
from upslope.core.checks import UpslopeError
from upslope.search import NelderMead
from upslope.search.local.nelder_mead import BUILD, DONE, REFLECT, SHRINK


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def crooked(x):  # its simplex shrinks now and then
    return (abs(x) ** 1.5).sum() + abs(x[0] * x[1]) ** 0.5


def quadratic(x):
    return ((x - 1.5) ** 2 * (1.0 + x.shape[0])).sum() + x[0] * x[-1]


FUNCTIONS = [rosenbrock, crooked, quadratic]


def searched(method, function, state, iterations):
    """The last state, and after each iteration the first vertex, the phase and the counts."""

    def step(state, key):
        candidates = method.ask(key, state)
        value = returns_of(-function(candidates[0])[None])
        new, said = method.tell(key, state, candidates, value, OBJECTIVE)
        return new, (new.vertices, new.phase, new.iterations, said.converged)

    return jax.jit(
        lambda state: jax.lax.scan(step, state, jax.random.split(jax.random.key(0), iterations))
    )(state)


@pytest.mark.slow
@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_the_simplex_is_scipys_step_by_step(x64, function, size, adaptive):
    """From one given simplex; best vertices, final simplex, nit, nfev, the stop."""
    vertices = np.random.default_rng(size).normal(size=(size + 1, size))
    expected = minimize(
        function,
        vertices[0],
        method="Nelder-Mead",
        options={
            **{"initial_simplex": vertices, "adaptive": adaptive, "return_all": True},
            **{"xatol": 1e-6, "fatol": 1e-8, "maxiter": 10_000, "maxfev": 10_000},
        },
    )
    assert expected.success
    method = NelderMead(xatol=1e-6, fatol=1e-8, adaptive=adaptive)
    state = method.from_simplex(jnp.zeros(size), jnp.asarray(vertices))
    state, (path, _, iterations, converged) = searched(method, function, state, expected.nfev + 5)
    iterations, converged = np.asarray(iterations), np.asarray(converged)
    assert int(state.iterations) == expected.nit
    assert int(state.evaluations) == expected.nfev
    assert converged.tolist() == [0.0] * (expected.nfev - 1) + [1.0] * 6
    np.testing.assert_allclose(state.vertices, expected.final_simplex[0], atol=1e-9)
    np.testing.assert_allclose(-state.returns, expected.final_simplex[1], atol=1e-12)
    np.testing.assert_array_equal(method.solution(state), state.vertices[0])
    ends = np.flatnonzero(np.diff(iterations)) + 1  # of the steps of the simplex
    best = np.asarray(path)[ends, 0]
    assert len(best) == len(expected.allvecs)  # both with the first simplex, SciPy's not sorted
    np.testing.assert_allclose(best[1:], expected.allvecs[1:], atol=1e-9)


def test_another_expansion_is_not_scipys(x64):
    """The wrong variant: chi = 2.1 instead of 2."""

    class Wrong(NelderMead):
        def coefficients(self, size):
            return 1.0, 2.1, 0.5, 0.5

    start = jnp.asarray([-1.2, 1.0])
    expected = minimize(rosenbrock, np.asarray(start), method="Nelder-Mead")
    for method, same in ((NelderMead(), True), (Wrong(), False)):
        state, _ = searched(method, rosenbrock, first_state(method, start), 400)
        counts = (int(state.iterations), int(state.evaluations))
        assert (counts == (expected.nit, expected.nfev)) == same


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_first_simplex_is_scipys(x64, adaptive):
    """5 % of each coordinate, 0.00025 where it is 0: nit, nfev and the answer."""
    start = np.asarray([-1.2, 0.0, 1.0, 2.0])
    expected = minimize(rosenbrock, start, method="Nelder-Mead", options={"adaptive": adaptive})
    method = NelderMead(adaptive=adaptive)
    state, _ = searched(method, rosenbrock, first_state(method, jnp.asarray(start)), 1200)
    assert (int(state.iterations), int(state.evaluations)) == (expected.nit, expected.nfev)
    np.testing.assert_allclose(method.solution(state), expected.x, atol=1e-8)


def test_an_edge_of_ones_own():
    state = first_state(NelderMead(std=2.0), jnp.asarray([1.0, 0.0]))
    np.testing.assert_array_equal(state.vertices, [[1, 0], [3, 0], [1, 2]])


def test_shrinking_happens_and_counts():
    """`crooked` shrinks on its way: otherwise the comparison above says nothing of it."""
    vertices = jnp.asarray(np.random.default_rng(2).normal(size=(3, 2)))
    method = NelderMead()
    _, (_, phase, *_) = searched(method, crooked, method.from_simplex(jnp.zeros(2), vertices), 200)
    phase = np.asarray(phase).tolist()
    assert phase[:2] == [BUILD, BUILD]
    assert phase[2] == REFLECT
    assert SHRINK in phase
    assert phase[-1] == DONE


def test_nothing_moves_after_the_end_and_a_flat_function_ends():
    method = NelderMead(std=1.0)
    state, said = maximize(method, lambda x: x[0] * 0.0, jnp.ones(3), 300)
    converged = np.asarray(said.converged)
    assert converged[-1] == 1
    assert np.diff(converged).min() == 0
    counted = int(state.evaluations)
    assert counted == int(np.argmax(converged)) + 1 < 300
    np.testing.assert_allclose(method.solution(state), 1.0, atol=1.1)


def test_nan_is_the_worst():
    def half(x):
        return jnp.where(x[0] > 0.0, -jnp.sum(jnp.square(x - 2.0)), jnp.nan)

    method = NelderMead(std=1.0)
    state, _ = maximize(method, half, jnp.asarray([0.5, 0.5]), 200)
    np.testing.assert_allclose(method.solution(state), 2.0, atol=1e-2)
    state, said = maximize(method, lambda x: x[0] * jnp.nan, jnp.zeros(2), 60)
    assert np.isfinite(np.asarray(method.solution(state))).all()
    assert not np.asarray(said.converged).any()


def test_seeds_side_by_side_stand_in_different_phases():
    method = NelderMead(std=1.0)
    starts = jnp.asarray([[0.0, 0.0], [3.0, -2.0], [0.9, 1.4]])
    search = jax.vmap(lambda start: maximize(method, lambda x: -rosenbrock(x), start, 150)[0])
    together = search(starts)
    for i, start in enumerate(starts):
        alone, _ = maximize(method, lambda x: -rosenbrock(x), start, 150)
        assert int(together.iterations[i]) == int(alone.iterations)
        np.testing.assert_allclose(together.vertices[i], alone.vertices, rtol=1e-4, atol=1e-5)
    assert len(set(np.asarray(together.iterations).tolist())) > 1


def test_one_evaluation_an_iteration():
    assert NelderMead().experience.population_size == 1
    state = first_state(NelderMead(), jnp.ones(2))
    asked = NelderMead().ask(jax.random.key(0), state)
    state, said = told(NelderMead(), state, asked, [[1.0, 3.0]])
    assert float(said.best) == 2.0  # the mean over its episodes
    assert int(state.evaluations) == 1


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: NelderMead(xatol=-1.0), "xatol=-1.0"),
        (lambda: NelderMead(fatol=float("nan")), "fatol=nan"),
        (lambda: NelderMead(std=0.0), "std=0.0"),
        (lambda: first_state(NelderMead(), jnp.zeros(6000)), "6000 parameters"),
        (lambda: NelderMead().from_simplex(jnp.zeros(2), jnp.zeros((2, 2))), r"must be \[3, 2\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, match):
    with pytest.raises(UpslopeError, match=match):
        make()
