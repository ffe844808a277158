"""A call of SciPy's runs as it is, or is refused with the name that its words have here."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from upslope.core.checks import UpslopeError
from upslope.optimization import EvaluationError
from upslope.optimization.points import middle_of, searched_coordinates
from upslope.optimization.scipy_words import read_options, seed_of, with_tolerance

scipy_optimize = pytest.importorskip("scipy.optimize")


def rosen(x, a=1.0, b=100.0):
    x = np.asarray(x)
    return float(np.sum(b * (x[1:] - x[:-1] ** 2) ** 2 + (a - x[:-1]) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        {"args": (2.0, 10.0), "options": {"maxiter": 30}},
        {"tol": 1e-7},
        {"options": {"xatol": 1e-3, "fatol": 1e-3, "disp": False}},
        {"options": {"maxfev": 55}},
        {"options": {"adaptive": True, "maxfev": 400, "maxiter": 35.0}},
    ],
)
def test_a_call_of_scipys_nelder_mead_gives_its_answer(words):
    """The same words, and the same point, evaluations and iterations."""
    theirs = scipy_optimize.minimize(rosen, [1.3, 0.7], method="Nelder-Mead", **words)
    ours = upslope.minimize(rosen, [1.3, 0.7], method="Nelder-Mead", **words)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-9)
    assert ours.fun == pytest.approx(theirs.fun, rel=1e-9)
    assert (ours.nit, ours.success) == (theirs.nit, theirs.success)
    assert ours.nfev == theirs.nfev


def test_callbacks_of_scipys_are_known_by_their_signature():
    points, results = [], []

    def stops(intermediate_result):
        results.append(intermediate_result)
        if intermediate_result.nit == 4:
            raise StopIteration

    call = {"x0": [1.3, 0.7], "method": "nelder-mead", "on_host": True}
    upslope.minimize(rosen, callback=points.append, options={"maxiter": 9}, **call)
    theirs = []
    scipy_optimize.minimize(
        rosen, [1.3, 0.7], method="Nelder-Mead", callback=theirs.append, options={"maxiter": 9}
    )
    # SciPy does not call it for the first simplex.
    np.testing.assert_allclose(points[-len(theirs) :], theirs, rtol=1e-12)
    halted = upslope.minimize(rosen, callback=stops, **call)
    assert [r.nit for r in results] == [1, 2, 3, 4]
    assert results[-1].fun == rosen(results[-1].x) == halted.fun
    assert (halted.message, halted.success) == ("Stopped by the callback.", False)


def test_a_search_without_a_start_begins_in_the_middle_of_its_bounds():
    seen = []

    def f(x):
        seen.append(x)
        return float(np.sum(x**2))

    bounds = scipy_optimize.Bounds([2.0, -8.0, 5.0], [4.0, 4.0, 5.0])
    result = upslope.minimize(f, bounds=bounds, method="nelder-mead", budget=60, on_host=True)
    np.testing.assert_allclose(seen[0], [3.0, -2.0, 5.0])
    assert result.x[2] == 5.0  # equal bounds: it is never moved
    assert np.unique(np.asarray(seen)[:, 2]) == 5.0
    assert result.x[0] == pytest.approx(2.0, abs=0.05)
    one = scipy_optimize.Bounds(-8.0, 4.0)  # its arrays have one entry, for all coordinates
    assert searched_coordinates(one, jnp.zeros(3)).box.lower.tolist() == [-8.0] * 3
    for form in ([(2, 4), (-8, 4)], ([2, -8], [4, 4]), np.array([[2, -8], [4, 4]])):
        middle, std = middle_of(form)
        np.testing.assert_allclose(middle, [3, -2])
        assert std == 0.5
    assert middle_of((0.0, 1.0))[0].shape == (1,)
    assert middle_of((np.zeros(5), 1.0))[0].shape == (5,)
    assert middle_of([(0, 1)] * 5)[0].shape == (5,)


def test_fixed_coordinates_are_left_out_of_what_is_searched():
    start = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(3.0)}
    fixed = searched_coordinates([(0, 4), (2, 2), (0, 4)], start)
    assert fixed.size(start) == 2
    point = fixed(fixed.inverse(start))
    np.testing.assert_allclose(point["a"], [1.0, 2.0], atol=1e-5)
    np.testing.assert_allclose(point["b"], 3.0, atol=1e-5)
    many = fixed.points(jnp.array([[1.0, 1.5], [9.0, -9.0]]))
    np.testing.assert_allclose(many["a"][:, 1], 2.0)
    assert many["b"].shape == (2,)


@pytest.mark.slow
def test_a_function_of_the_whole_population_gives_the_same_search():
    """In JAX, in NumPy, and point by point: the same values, with a call a population."""
    calls = []

    def whole(x):
        calls.append(x.shape)
        return np.sum((x - 1.0) ** 2, axis=1)

    words = {"x0": np.zeros(3), "method": "cma-es", "budget": 210}
    apart = upslope.minimize(lambda x: float(np.sum((x - 1.0) ** 2)), **words)
    together = upslope.minimize(whole, vectorized=True, on_host=True, **words)
    in_jax = upslope.minimize(lambda x: jnp.sum((x - 1.0) ** 2, axis=1), vectorized=True, **words)
    assert calls == [(7, 3)] * 30
    np.testing.assert_array_equal(together.curve.best, apart.curve.best)
    np.testing.assert_allclose(in_jax.x, apart.x, rtol=1e-6)
    with pytest.raises(EvaluationError, match=r"must return \(7,\) numbers"):
        upslope.minimize(lambda x: np.sum(x), vectorized=True, on_host=True, **words)
    with pytest.raises(UpslopeError, match="called once for all points"):
        upslope.minimize(whole, vectorized=True, workers=2, **words)


@pytest.mark.slow
@pytest.mark.parametrize("on_host", [True, False])
def test_a_noisy_population_draws_from_its_key(on_host):
    import jax

    def noisy(x, key):
        return jnp.sum(x**2, axis=1) + 0.1 * jax.random.normal(key, x.shape[:1])

    result = upslope.minimize(
        noisy, np.ones(2), "cma-es", vectorized=True, on_host=on_host, budget=240
    )
    assert 0.005 < result.fun_error < 0.02  # 0.1 / sqrt(100)
    assert abs(result.fun) < 0.2


def test_a_generator_gives_a_seed():
    drawn = seed_of("f", np.random.default_rng(3))
    assert drawn == seed_of("f", np.random.default_rng(3)) != seed_of("f", np.random.default_rng(4))
    assert 0 <= seed_of("f", np.random.RandomState(0)) < 2**32
    assert seed_of("f", np.int64(7)) == 7


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"jac": True}, "values of f alone"),
        ({"constraints": ()}, "return NaN"),
        ({"rng": 0}, "the name is seed="),
        ({"maxiter": 3}, "options="),
        ({"options": {"maxfev": 5}, "budget": 5}, "one limit of evaluations"),
        ({"options": {"maxiter": 0}}, "maxiter"),
        ({"options": {"xatol": 1.0}, "xatol": 1.0}, "xatol twice"),
        ({"options": {"disp": True}}, "print the result"),
        ({"options": 3}, "give a dictionary"),
        ({"tol": 1e-3, "method": "openai-es"}, "has no tolerance"),
        ({"seed": None}, "numpy.random.Generator"),
        ({"method": (1.0,)}, "given by name, args="),
        ({"x0": None}, "x0 is missing"),
        ({"x0": None, "bounds": [(0, 1), (0, None)]}, "coordinate 1 are .* has no middle"),
        ({"callback": 3}, "cannot be called"),
    ],
)
def test_what_has_another_name_here_is_refused_by_naming_it(words, says):
    calls = []
    with pytest.raises(UpslopeError, match=says):
        upslope.minimize(
            calls.append, **{"x0": [0.5, 0.5], "method": "nelder-mead", "on_host": True} | words
        )
    assert not calls


def test_tolerances_and_options():
    known = {"tolx", "tolfun", "std"}
    assert with_tolerance("m", {"tolx": 1.0}, known, 0.5) == {"tolfun": 0.5, "tolx": 1.0}
    assert read_options({"maxfev": None, "maxiter": np.inf, "xatol": 1.0}, 9) == (
        9,
        None,
        {"xatol": 1.0},
    )


@pytest.mark.slow
def test_whole_numbers_are_searched_among_reals():
    """f gets them rounded, within their bounds; one that has a single value is fixed."""
    seen = []

    def f(x):
        seen.append(x)
        return float((x[0] - 3.2) ** 2 + (x[1] + 0.7) ** 2 + (x[2] - 9) ** 2 + x[3] ** 2)

    result = upslope.minimize(
        f,
        bounds=[(0, 10), (-2, 2), (0, 4.5), (1.5, 2.5)],
        integrality=[1, 0, 1, 1],
        on_host=True,
        budget=2000,
    )
    assert result.success
    assert result.nit >= 60  # 20 D populations without a better point: a neighbour takes its time
    np.testing.assert_allclose(result.x, [3.0, -0.7, 4.0, 2.0], atol=1e-3)
    whole = np.asarray(seen)[:, [0, 2, 3]]
    np.testing.assert_array_equal(whole, np.round(whole))
    assert whole[:, 1].max() == 4.0
    assert whole[:, 0].min() >= 0
    assert np.unique(whole[:, 2]) == 2.0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"integrality": [1, 0, 1]}, "3 entries for 2 coordinates"),
        ({"integers": [1, 0]}, "must be an IntegerLattice.*integrality="),
        ({"integrality": [2, 0]}, "whole number, by True and False"),
        ({"integrality": True, "bounds": (0.2, 0.8)}, "no whole number is between"),
        ({"integrality": True, "method": "nelder-mead"}, "'cma-es' and 'sep-cma-es' can"),
        ({"integrality": True, "method": "random-search"}, r"space=Integers\(low, high\)"),
    ],
)
def test_whole_numbers_that_cannot_be_are_refused(words, says):
    with pytest.raises(UpslopeError, match=says):
        upslope.minimize(rosen, **{"x0": [0.5, 0.5], "method": "cma-es"} | words)
