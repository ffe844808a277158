"""A search that begins where another one stood, or around points that are evaluated already."""

import jax.numpy as jnp
import numpy as np
import pytest

from upslope import maximize, minimize
from upslope.core.checks import UpslopeError
from upslope.search.evolution.cma.search_distribution import promising

D = 6
ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]
WEIGHTS = 10 ** (6 * np.arange(D) / (D - 1))
START = np.zeros(D)


def ellipsoid(x):
    """A rotated ellipsoid of condition 10^6 around 1."""
    return jnp.sum(WEIGHTS * (ROTATION @ (x - 1.0)) ** 2)


def moved(x):
    """The same around 1.01."""
    return ellipsoid(x - 0.01)


def on_the_host(x):
    """`moved` in NumPy."""
    return float(np.sum(WEIGHTS * (ROTATION @ (np.asarray(x) - 1.01)) ** 2))


@pytest.fixture(scope="module")
def first():
    """A search that has learned the covariance."""
    return minimize(ellipsoid, START, std=0.5, budget=1_200)


def test_the_covariance_is_taken_up(first):
    """Without the covariance, from the same point with the same step, it takes much longer."""
    std = 0.03
    warm = minimize(moved, warm_start=first, std=std, target=1e-8)
    cold = minimize(moved, first.x, std=std, target=1e-8)
    assert warm.success
    assert cold.success
    assert warm.nfev < 0.75 * cold.nfev
    np.testing.assert_allclose(warm.x, 1.01, atol=1e-3)


def test_a_function_on_the_host_begins_there_too(first):
    warm = minimize(on_the_host, warm_start=first, std=0.03, target=1e-8)
    cold = minimize(on_the_host, first.x, std=0.03, target=1e-8)
    assert warm.nfev < 0.75 * cold.nfev


def test_the_step_size_and_the_mean_are_taken_up(first):
    one = minimize(ellipsoid, warm_start=first, budget=9)
    standing, next_one = first.standing, one.standing
    assert next_one.std == pytest.approx(standing.std, rel=0.5)
    shift = (next_one.distribution.mean - standing.distribution.mean) / standing.std
    root = np.linalg.cholesky(standing.distribution.shape.covariance)
    assert np.linalg.norm(np.linalg.solve(root, shift)) < 5  # an ordinary step of the Gaussian
    elsewhere = minimize(ellipsoid, first.x + 3.0, warm_start=first, budget=9)
    np.testing.assert_allclose(elsewhere.standing.distribution.mean, first.x + 3.0, atol=0.3)


def test_bounds_and_fixed_coordinates_go_on():
    bounds = [(-3, 3)] * (D - 1) + [(0.5, 0.5)]
    one = minimize(ellipsoid, START + 0.5, bounds=bounds, budget=900)
    two = minimize(ellipsoid, warm_start=one, bounds=bounds, budget=900)
    assert two.fun <= one.fun * 1.001
    assert two.x[-1] == 0.5


@pytest.mark.parametrize("method", ["cma-es", "sep-cma-es"])
def test_told_points_are_where_a_search_begins(method):
    rng = np.random.default_rng(1)
    points = 40 + rng.normal(size=(60, D))  # far from the start, and the best of them further
    values = np.array([float(-jnp.sum((x - 42) ** 2)) for x in points])
    values[3] = np.nan
    found = maximize(
        lambda x: -jnp.sum((x - 42) ** 2), told=(points, values), method=method, budget=50
    )
    assert found.fun > np.nanmax(values)
    assert found.nfev <= 50


def test_the_best_of_what_was_told_is_never_lost():
    points = [np.full(D, 1.0), np.full(D, 7.0), np.full(D, 5.0)]
    found = minimize(ellipsoid, told=(points, [0.0, 3.6e7, 1.6e7]), budget=9)
    np.testing.assert_array_equal(found.x, 1.0)
    assert found.fun == found.best_seen == 0.0


def test_the_gaussian_of_promising_points_is_the_published_one():
    """Two of twenty points are the best: their mean, and the mixture's second moment."""
    points = np.zeros((20, 2))
    points[:2] = [[1.0, 0.0], [3.0, 0.0]]
    values = np.where(np.arange(20) < 2, 1.0, 0.0)
    found, step = promising(points, values, std=0.5, separable=False)
    covariance = step**2 * np.asarray(found.shape.covariance)
    np.testing.assert_allclose(found.mean, [2.0, 0.0])
    np.testing.assert_allclose(covariance, [[1 + 0.04, 0], [0, 0.04]], rtol=1e-6)
    axes, lengths = np.asarray(found.shape.axes), np.asarray(found.shape.lengths)
    again = step**2 * (axes * lengths**2) @ axes.T
    np.testing.assert_allclose(again, covariance, rtol=1e-5, atol=1e-7)
    diagonal, step = promising(points, values, std=0.5, separable=True)
    np.testing.assert_allclose(step * diagonal.shape.scales, np.sqrt([1.04, 0.04]), rtol=1e-6)


POINTS = np.zeros((3, D))


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"method": "cem"}, "method='cem'.*x0=result.x"),
        ({"method": "sep-cma-es"}, "full covariance"),
        ({"bounds": [(-5, 5)] * D}, "same bounds"),
        ({"x0": np.zeros(D + 1)}, rf"as many numbers \({D}\)"),
        ({"told": (POINTS, [1, 2, 3])}, "warm_start and told"),
        ({"warm_start": 3}, "must be the Result"),
        ({"warm_start": None, "told": (POINTS, [1, 2])}, "one value for each"),
        ({"warm_start": None, "told": (POINTS, [np.nan] * 3)}, "all NaN"),
        ({"warm_start": None, "told": 5}, "must be .points, values"),
        ({"warm_start": None, "told": (POINTS, [1, 2, 3]), "x0": np.zeros(2)}, "not like x0"),
        (
            {"warm_start": None, "told": (POINTS, [1, 2, 3]), "bounds": [(1, 2)] * D},
            "within the bounds",
        ),
        ({"warm_start": None, "told": (POINTS, [1, 2, 3]), "method": "pgpe"}, "told with method"),
    ],
)
def test_what_cannot_be_taken_up_is_refused_by_name(first, settings, word):
    with pytest.raises(UpslopeError, match=word):
        minimize(ellipsoid, **{"warm_start": first, **settings})


def test_a_search_that_keeps_no_gaussian_says_so():
    one = minimize(ellipsoid, START, method="nelder-mead", budget=30)
    assert one.standing is None
    with pytest.raises(UpslopeError, match="search by nelder-mead"):
        minimize(ellipsoid, warm_start=one)
