"""Natural evolution strategies against their definition, and on what they are good at."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import upslope
from small_searches import first_state, maximize, told
from upslope.core.checks import UpslopeError
from upslope.core.distributions import DiagonalGaussian
from upslope.estimators.expectation.score_function import score_function_gradient
from upslope.search import SNES, XNES
from upslope.search.evolution.natural_evolution import exponential, utilities, utilities_of


def sphere(x):
    return -jnp.sum(x**2)


def ellipsoid(x):
    return -jnp.sum(10.0 ** jnp.linspace(0, 4, x.size) * x**2)


def test_utilities_are_the_published_ones():
    """Five candidates: ln(3.5) - ln k for k = 1, 2, 3, over their sum, less a fifth."""
    raw = np.array([np.log(3.5), np.log(3.5 / 2), np.log(3.5 / 3), 0, 0])
    np.testing.assert_allclose(utilities(5), raw / raw.sum() - 0.2, rtol=1e-12)
    np.testing.assert_allclose(utilities(5).sum(), 0.0, atol=1e-15)


def test_equal_returns_have_equal_utilities():
    shared = np.asarray(utilities_of(jnp.asarray([1.0, 3.0, 3.0, -2.0])))
    table = utilities(4)
    np.testing.assert_allclose(
        shared, [table[2], table[:2].mean(), table[:2].mean(), table[3]], rtol=1e-5
    )


@pytest.mark.slow
def test_snes_is_the_natural_gradient_of_the_score_function(x64):
    """The score over the Fisher matrix: 1 / sigma^2 for the mean, 2 for log sigma."""
    method = SNES(10, std=0.7, learning_rate=0.9, std_learning_rate=0.3)
    start = jnp.asarray([0.5, -1.0, 2.0])
    state = first_state(method, start)
    state = state._replace(std=jnp.asarray([0.5, 0.7, 1.1]))
    asked = method.ask(jax.random.key(1), state)
    returns = jax.vmap(ellipsoid)(asked)
    log_prob = lambda p, x: DiagonalGaussian(p[0], p[1]).log_prob(x)  # noqa: E731
    score = score_function_gradient(
        log_prob, (start, jnp.log(state.std)), asked, utilities_of(returns)
    )
    new, _ = told(method, state, asked, returns)
    np.testing.assert_allclose(new.mean, start + 0.9 * state.std**2 * score[0], rtol=1e-12)
    # The exponent is eta / 2 times the score: eta times the natural gradient in log sigma.
    np.testing.assert_allclose(new.std, state.std * jnp.exp(0.3 * score[1] / 2), rtol=1e-12)
    plain = start + 0.9 * score[0]  # the ordinary gradient instead
    assert np.abs(new.mean - plain).max() > 1e-2


def test_xnes_is_its_matrix_exponential(x64):
    """A <- A exp(eta G / 2) with A = sigma B, by scipy's expm; B^-1 is carried along exactly."""
    method = XNES(12, std=0.6, std_learning_rate=0.2)
    state = first_state(method, jnp.ones(4))
    tell = jax.jit(lambda s, x, f: told(method, s, x, f)[0])
    for k in range(20):
        asked = method.ask(jax.random.key(k), state)
        returns = jax.vmap(ellipsoid)(asked)
        before = np.asarray(state.sigma * state.factor)
        noise = (np.asarray(asked) - np.asarray(state.mean)) @ np.linalg.inv(before).T
        weights = np.asarray(utilities_of(returns))
        slope = sum(u * (np.outer(s, s) - np.eye(4)) for u, s in zip(weights, noise, strict=True))
        mean = np.asarray(state.mean) + before @ (weights @ noise)
        state = tell(state, asked, returns)
        np.testing.assert_allclose(state.mean, mean, rtol=1e-9, atol=1e-12)
        after = np.asarray(state.sigma * state.factor)
        np.testing.assert_allclose(
            after, before @ scipy.linalg.expm(0.1 * slope), rtol=1e-9, atol=1e-12
        )
    np.testing.assert_allclose(state.inverse @ state.factor, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(np.asarray(state.factor)), 1.0, rtol=1e-10)


@pytest.mark.parametrize("norm", [1e-3, 0.5, 4.0])
def test_the_exponential_is_scipys(norm, x64):
    matrix = np.random.default_rng(0).normal(size=(5, 5))
    matrix *= norm / np.linalg.norm(matrix, 2)
    np.testing.assert_allclose(
        exponential(jnp.asarray(matrix)), scipy.linalg.expm(matrix), rtol=1e-10, atol=1e-12
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", [SNES(10), XNES(10)])
def test_it_converges_on_the_sphere_and_the_ellipsoid(method, x64):
    for function, target in ((sphere, 1e-8), (ellipsoid, 1e-6)):
        state, _ = maximize(method, function, jnp.ones(5), 600)
        assert float(function(method.solution(state))) > -target


def test_only_the_full_one_follows_a_turned_ellipsoid(x64):
    turn = jnp.asarray(np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0])
    turned = lambda x: ellipsoid(turn @ x)  # noqa: E731
    full = maximize(XNES(10), turned, jnp.ones(5), 800)[0].mean
    separable = maximize(SNES(10), turned, jnp.ones(5), 800)[0].mean
    assert float(turned(full)) > -1e-6
    assert float(turned(separable)) < -1e-4


@pytest.mark.slow
@pytest.mark.parametrize("method", [SNES(8), XNES(8)])
def test_a_flat_objective_moves_nothing_and_says_so(method):
    state, seen = maximize(method, lambda x: 0 * x[0], jnp.ones(3), 5)
    np.testing.assert_array_equal(state.mean, jnp.ones(3))
    np.testing.assert_array_equal(seen.flat, 1)
    np.testing.assert_allclose(seen.std, 0.5, rtol=1e-6)
    state, seen = maximize(method, lambda x: jnp.nan * x[0], jnp.ones(3), 5)
    assert np.isfinite(state.mean).all()
    np.testing.assert_array_equal(maximize(method, sphere, jnp.ones(3), 5)[1].flat, 0)


def test_nan_is_the_worst():
    for method in (SNES(8), XNES(8)):
        state = first_state(method, jnp.ones(3))
        asked = method.ask(jax.random.key(1), state)
        values = jnp.arange(8.0)
        tell = jax.jit(lambda v, m=method, s=state, x=asked: told(m, s, x, v)[0].mean)
        bad, worst = tell(values.at[5].set(jnp.nan)), tell(values.at[5].set(-1e30))
        np.testing.assert_array_equal(bad, worst)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: SNES(1), "population_size=1"),
        (lambda: XNES(1), "population_size=1"),
        (lambda: SNES(std=-1.0), "std=-1.0"),
        (lambda: first_state(XNES(), jnp.zeros(5001)), "5001 parameters.*'snes'"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, match):
    with pytest.raises(UpslopeError, match=match):
        make()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["snes", "xnes"])
def test_a_search_that_has_converged_says_so(method):
    """Beyond the resolution of numbers its noise would be rounding, and then NaN."""
    run = lambda best: upslope.minimize(  # noqa: E731
        lambda x: jnp.sum((x - best) ** 2), np.full(3, 0.5), method, budget=50_000
    )
    result = run(1.0)
    assert "noeffectcoord" in result.message
    assert result.nfev < 25_000
    assert result.fun < 1e-20
    assert np.isfinite(result.curve.mean).all()
    underflow = run(0.0)  # the square of x becomes 0 before x does: flat, and nothing moves
    assert np.isfinite(underflow.curve.mean).all()
    assert underflow.fun == 0.0
