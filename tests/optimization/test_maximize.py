"""Any function, by any method that needs values alone."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from upslope.core.checks import NumericalError, UpslopeError
from upslope.optimization import EvaluationError
from upslope.optimization.evaluation import traceable
from upslope.optimization.points import split_bounds
from upslope.optimization.problem import function_methods


def sphere(x):
    return jnp.sum((x - 1.0) ** 2)


def numpy_sphere(x):
    return float(np.sum((np.asarray(x) - 1.0) ** 2))


@pytest.mark.parametrize("f", [sphere, numpy_sphere])
def test_nelder_mead_is_scipys(f):
    """The same point, value, evaluations and steps; f in JAX and in NumPy."""
    scipy = pytest.importorskip("scipy.optimize")
    ours = upslope.minimize(f, np.zeros(3), "nelder-mead", xatol=1e-6, fatol=1e-6)
    theirs = scipy.minimize(
        numpy_sphere, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-6}
    )
    assert ours.success
    assert ours.message.startswith("Converged")
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-9)
    assert (ours.nfev, ours.nit) == (theirs.nfev, theirs.nit)
    assert ours.fun == pytest.approx(theirs.fun, rel=1e-6)
    assert ours.curve.best[-1] == ours.fun
    assert (np.diff(ours.curve.best) <= 0).all()


def test_maximising_is_minimising_the_negative():
    up = upslope.maximize(lambda x: -sphere(x), np.zeros(2), "cem", budget=2560, seed=3)
    down = upslope.minimize(sphere, np.zeros(2), "cem", budget=2560, seed=3)
    np.testing.assert_array_equal(up.x, down.x)
    assert up.fun == -down.fun
    np.testing.assert_array_equal(up.curve.mean, -down.curve.mean)


def test_compiled_and_on_the_host_are_one_search():
    """The same points up to rounding; f is called once for each evaluation, no more."""
    calls = []

    def counted(x):
        calls.append(np.array(x))
        return numpy_sphere(x)

    compiled = upslope.minimize(sphere, np.zeros(2), "cem", budget=1280, seed=1)
    host = upslope.minimize(counted, np.zeros(2), "cem", budget=1280, seed=1, on_host=True)
    assert len(calls) == host.nfev == compiled.nfev == 1280
    np.testing.assert_allclose(host.x, compiled.x, rtol=1e-9)
    np.testing.assert_allclose(host.curve.best, compiled.curve.best, rtol=1e-9)


def test_a_budget_is_kept_and_a_target_ends_the_search():
    result = upslope.minimize(sphere, np.zeros(4), "hill-climbing", budget=321)
    assert result.nfev == 321
    assert not result.success
    assert "321" in result.message
    result = upslope.minimize(sphere, np.zeros(4), "hill-climbing", target=0.1)
    assert result.success
    assert result.fun <= 0.1
    assert result.curve.best[-2] > 0.1
    result = upslope.minimize(sphere, np.zeros(4), "hill-climbing", target=-1.0, budget=100)
    assert not result.success


def test_trees_keep_their_structure():
    start = {"a": np.zeros(2), "b": [np.ones((1, 2))]}
    result = upslope.minimize(
        lambda x: jnp.sum((x["a"] - 2) ** 2) + jnp.sum(x["b"][0] ** 2), start, "cma-es", budget=8000
    )
    np.testing.assert_allclose(result.x["a"], 2.0, atol=1e-4)
    assert result.x["b"][0].shape == (1, 2)


@pytest.mark.parametrize(
    "bounds", [(0.5, 3.0), ([0.5, 0.5], [3.0, 3.0]), [(0.5, 3.0), (0.5, None)]]
)
def test_bounds_are_kept_and_the_optimum_on_a_face_is_found(bounds):
    seen = []

    def f(x):
        seen.append(np.array(x))
        return float(np.sum(x**2))

    result = upslope.minimize(f, [1.0, 2.0], "nelder-mead", bounds=bounds)
    np.testing.assert_allclose(result.x, 0.5, atol=1e-3)
    assert np.min(seen) >= 0.5
    assert np.max(np.asarray(seen)[:, 0]) <= 3.0


def test_noise_is_reported_beside_the_luckiest_value():
    """100 fresh evaluations of the solution: an honest mean below the optimistic best."""

    def noisy(x, key):
        return -sphere(x) + jax.random.normal(key)

    result = upslope.maximize(noisy, np.zeros(2), "cem", budget=5120)
    assert result.best_seen > 1.0  # impossible without noise: the maximum is 0
    assert abs(result.fun) < 0.5
    assert 0.05 < result.fun_error < 0.2
    again = upslope.maximize(noisy, np.zeros(2), "cem", budget=5120)
    assert result.fun == again.fun  # the noise is drawn from the seed


def test_bit_strings_are_searched_by_the_methods_that_can():
    from upslope.search import Bits

    result = upslope.maximize(
        lambda x: jnp.sum(x), np.zeros(20, bool), "hill-climbing", target=20, space=Bits()
    )
    assert result.success
    assert result.x.dtype == bool
    with pytest.raises(UpslopeError, match="genetic-algorithm"):
        upslope.maximize(lambda x: jnp.sum(x), np.zeros(20, bool), "cem")
    with pytest.raises(UpslopeError, match="int"):
        upslope.maximize(lambda x: jnp.sum(x), np.zeros(3, int), "cem")


def test_a_flat_objective_is_called_flat():
    result = upslope.maximize(lambda x: 3.0 + 0 * x[0], [1.0], "cem", budget=512)
    assert not result.success
    assert "flat" in result.message
    assert "3" in result.message


def test_points_that_fail_count_as_the_worst_and_are_told_of():
    result = upslope.minimize(
        lambda x: jnp.where(x[0] < 0.2, jnp.nan, sphere(x)), [0.5, 0.5], "cem", budget=2560
    )
    np.testing.assert_allclose(result.x, 1.0, atol=0.05)
    assert "NaN" in result.message


@pytest.mark.parametrize("on_host", [True, None])
def test_nothing_but_nan_stops_the_search(on_host):
    with pytest.raises(NumericalError, match="NaN"):
        upslope.minimize(lambda x: jnp.nan * x[0], [1.0], "cem", on_host=on_host)


def test_what_goes_wrong_in_f_names_the_point():
    def fails(x):
        raise OSError("no robot")

    with pytest.raises(EvaluationError, match="OSError: no robot at x=array") as caught:
        upslope.minimize(fails, [1.0], "cem")
    assert isinstance(caught.value.cause, OSError)
    with pytest.raises(EvaluationError, match=r"deadline=0.1"):
        upslope.minimize(lambda x: time.sleep(3) or 1.0, [1.0], "cem", deadline=0.1)
    with pytest.raises(EvaluationError, match="one number"):
        upslope.minimize(lambda x: np.asarray(x), [1.0, 2.0], "cem")
    with pytest.raises(UpslopeError, match=r"shape \(2,\)"):
        upslope.minimize(lambda x: x * 2, [1.0, 2.0], "cem")


def test_workers_evaluate_at_the_same_time_in_the_same_order():
    def slow(x):
        time.sleep(0.002 * float(np.asarray(x)[0] > 1))
        return numpy_sphere(x)

    settings = {"population_size": 8, "n_elites": 4, "episodes_per_candidate": 1}
    alone = upslope.minimize(slow, [0.0, 0.0], "cem", budget=80, on_host=True, **settings)
    together = upslope.minimize(slow, [0.0, 0.0], "cem", budget=80, workers=4, **settings)
    np.testing.assert_array_equal(alone.x, together.x)


def test_a_callback_sees_the_search_and_can_end_it():
    seen = []
    result = upslope.minimize(
        numpy_sphere,
        [0.0],
        "nelder-mead",
        callback=lambda nfev, best: seen.append(nfev) or nfev >= 5,
    )
    assert seen == [1, 2, 3, 4, 5]
    assert result.nfev == 5
    assert "callback" in result.message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "nelder-meat"}, "nelder-mead"),
        ({"method": "ppo"}, "ppo needs steps of an environment"),
        ({"x0": [0.0, float("nan")]}, "entry 1"),
        ({"x0": []}, "nothing to search"),
        ({"bounds": (0.0, 1.0), "x0": [0.5, 5.0]}, "theta"),
        ({"bounds": (1.0, 1.0)}, "below"),
        ({"bounds": (1.0, 0.0)}, "below"),
        ({"bounds": ([0.0], [1.0, 2.0])}, "lower bounds"),
        ({"popsize": 3}, "population_size"),
        ({"budget": 0}, "budget"),
        ({"target": float("nan")}, "target"),
        ({"deadline": 0.0}, "deadline"),
        ({"workers": 0}, "workers"),
        ({"seed": -1}, "seed"),
        ({"method": "nelder-mead", "std": -1.0}, "std"),
        ({"population_size": 1}, "population_size"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_before_any_evaluation(arguments, message):
    calls = []

    def f(x):
        calls.append(x)
        return 0.0

    arguments = {"x0": [0.5, 0.5], "method": "cem"} | arguments
    with pytest.raises(UpslopeError, match=message):
        upslope.minimize(f, **arguments)
    assert not calls


def test_what_can_be_traced():
    x = jnp.zeros(2)
    assert traceable(sphere, x)
    assert not traceable(numpy_sphere, x)
    assert not traceable(lambda x: 1.0, x)  # perhaps it asks the world
    assert not traceable(lambda x: 1 / 0, x)
    assert not traceable(lambda x: sphere(x) if x[0] > 0 else 0.0, x)


def test_bounds_in_either_form():
    for bounds in [((0, 1), (2, 3)), [(0, 1), (2, 3)]]:
        low, high = split_bounds(bounds, 2)
        np.testing.assert_array_equal(low, [0, 2])
        np.testing.assert_array_equal(high, [1, 3])
    low, high = split_bounds(np.array([[0, 1], [2, 3]]), 2)  # rows: low, high
    np.testing.assert_array_equal(low, [0, 1])
    low, high = split_bounds((None, 1.0), 3)
    assert low == -np.inf
    assert high == 1.0


def test_all_gradient_free_methods_are_offered():
    names = function_methods()
    assert {"cem", "nelder-mead", "hill-climbing"} <= set(names)
    assert not {"ppo", "reinforce"} & set(names)
