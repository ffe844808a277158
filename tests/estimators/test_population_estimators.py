"""Gradients from returns alone: finite differences and the score function over parameters."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_policies import Affine
from upslope.core.checks import UpslopeError
from upslope.core.tree import ravel_parameters
from upslope.environments import ShortCorridor
from upslope.estimators import (
    FiniteDifferences,
    OnHost,
    SmoothedScore,
    measured_noise,
    noisy_gradient,
    optimal_step,
)
from upslope.estimators.expectation.smoothed_score import centred_ranks
from z_test import unbiased

SLOPES = np.asarray([1.0, -2.0, 0.5])
KEY = jax.random.key(0)


def counted(f):
    """f(seed, x) as plain Python that counts its calls and remembers the seeds."""
    seeds = []

    def function(seed, x):
        seeds.append(int(seed))
        return f(int(seed), np.asarray(x, np.float64))

    return OnHost(function), seeds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "evaluations"),
    [("forward", 4), ("central", 6), ("random", 10), ("spsa", 10), ("regression", 6)],
)
def test_evaluations_are_counted(kind, evaluations):
    estimator = FiniteDifferences(0.1, kind, n_directions=5).for_policy(jnp.zeros(3))
    function, seeds = counted(lambda seed, x: float(SLOPES @ x))
    gradient = noisy_gradient(estimator, KEY, function, jnp.zeros(3))
    assert len(seeds) == estimator.population_size == evaluations
    assert len(set(seeds)) == evaluations
    if kind in ("forward", "central", "regression"):  # the others project on their directions
        np.testing.assert_allclose(gradient, SLOPES, rtol=1e-4)


def test_evolution_counts_too():
    function, seeds = counted(lambda seed, x: 0.0)
    noisy_gradient(SmoothedScore(8), KEY, function, jnp.zeros(2), common_random_numbers=True)
    assert len(seeds) == 8
    assert len(set(seeds)) == 1


@pytest.mark.parametrize(("kind", "error"), [("forward", 0.25), ("central", 0.0)])
def test_the_error_on_a_parabola(x64, kind, error):
    """f = x^2: one-sided off by exactly the step, central exact."""
    estimator = FiniteDifferences(0.25, kind, num_parameters=1)
    x = jnp.asarray([0.7])
    got = noisy_gradient(estimator, KEY, lambda seed, x: x[0] ** 2, x)
    np.testing.assert_allclose(got, 2 * x + error, rtol=1e-12)


def test_agrees_with_scipy(x64):
    optimize = pytest.importorskip("scipy.optimize")
    f = lambda x: np.sin(x[0]) * x[1] ** 2 + np.exp(x[2])  # noqa: E731
    x = np.asarray([0.4, 1.2, -0.3])
    step = float(np.sqrt(np.finfo(float).eps))
    got = noisy_gradient(
        FiniteDifferences(step, "forward", 3), KEY, lambda s, x: f(x), jnp.asarray(x)
    )
    np.testing.assert_allclose(got, optimize.approx_fprime(x, f, step), rtol=1e-6)


def quadratic(x):
    return SLOPES @ x + 0.7 * x[0] * x[2] - x[1] ** 2


@pytest.mark.parametrize("kind", ["random", "spsa"])
def test_random_directions_are_unbiased_on_quadratics(kind):
    estimator = FiniteDifferences(0.3, kind, n_directions=1)
    x = jnp.asarray([0.5, -0.2, 0.1])
    f = lambda seed, x: quadratic(x)  # noqa: E731
    rows = jax.jit(jax.vmap(lambda key: noisy_gradient(estimator, key, f, x)))(
        jax.random.split(KEY, 40_000)
    )
    exact = jax.grad(quadratic)(x)
    assert unbiased(rows, exact)
    # On the sphere without its factor D, or signs with it, the length is wrong.
    wrong = rows / 3.0 if kind == "random" else rows * 3.0
    with pytest.raises(AssertionError):
        assert unbiased(wrong, exact)


def test_regression_with_fewer_directions_than_parameters(x64):
    """The answer of least norm: the projection of the gradient on what was explored."""
    estimator = FiniteDifferences(1.0, "regression", n_directions=2)
    x = jnp.zeros(3)
    points = estimator.perturb(KEY, x)
    got = estimator.slope(x, points, points @ SLOPES + 5.0)
    want = np.linalg.lstsq(np.asarray(points[1:]), np.asarray(points[1:] @ SLOPES), rcond=None)[0]
    np.testing.assert_allclose(got, want, rtol=1e-8)
    many = FiniteDifferences(1.0, "regression", n_directions=40)
    points = many.perturb(KEY, x)
    returns = points @ SLOPES + jax.random.normal(KEY, (41,))
    design, target = np.asarray(points[1:]), np.asarray(returns[1:] - returns[0])
    want = np.linalg.lstsq(design, target, rcond=None)[0]
    np.testing.assert_allclose(many.slope(x, points, returns), want, rtol=1e-8)


def noisy_parabola(seed, x):
    return x[0] ** 2 + 0.1 * jax.random.normal(jax.random.key(seed))


def estimates(common, step=0.5, kind="forward", count=20_000):
    estimator = FiniteDifferences(step, kind, num_parameters=1)
    x = jnp.asarray([1.0])
    return np.asarray(
        jax.jit(jax.vmap(lambda key: noisy_gradient(estimator, key, noisy_parabola, x, common)[0]))(
            jax.random.split(KEY, count)
        )
    )


def test_common_random_numbers_cancel_the_noise():
    """Variance 2 s^2 / eps^2 of independent evaluations; additive noise cancels altogether."""
    independent, common = estimates(False), estimates(True)
    np.testing.assert_allclose(independent.var(), 2 * 0.1**2 / 0.5**2, rtol=0.05)
    assert common.var() < 1e-6 * independent.var()
    np.testing.assert_allclose(common, 2.5, rtol=1e-4)


def test_the_advised_step_has_the_least_error():
    """Among steps around it, on f = x^2 (f'' = 2) with noise 0.1."""
    best = optimal_step(0.1, 2.0, "forward")
    np.testing.assert_allclose(best, 8**0.25 * np.sqrt(0.05), rtol=1e-6)
    error = [np.mean((estimates(False, best * k) - 2.0) ** 2) for k in (0.6, 1.0, 1.6)]
    assert error[1] == min(error)


def test_without_noise_the_advice_is_the_textbooks():
    """Roots of the machine precision: square one-sided, cube central."""
    eps = float(np.finfo(float).eps)
    assert 0.5 < optimal_step(eps, 1.0, "forward") / eps ** (1 / 2) < 2.0
    assert 0.5 < optimal_step(eps, 1.0, "central") / eps ** (1 / 3) < 2.0
    for noise, derivative in ((0.0, 1.0), (0.1, 0.0)):
        with pytest.raises(UpslopeError, match="above 0"):
            optimal_step(noise, derivative)


def test_noise_is_measured():
    x = jnp.asarray([1.0])
    np.testing.assert_allclose(measured_noise(KEY, noisy_parabola, x, 400), 0.1, rtol=0.15)
    still = measured_noise(KEY, lambda seed, x: x[0] ** 2, x)
    np.testing.assert_allclose(still, np.finfo(np.float32).eps)
    with pytest.raises(UpslopeError, match="nan"):
        measured_noise(KEY, lambda seed, x: jnp.nan, x)


# The score function over parameters.


@pytest.mark.parametrize("mirrored", [True, False])
def test_unbiased_for_the_smoothed_objective(mirrored):
    """E[(x + s z)^3] = x^3 + 3 x s^2: gradient 3 x^2 + 3 s^2, which is not that of x^3."""
    estimator = SmoothedScore(4, 0.5, mirrored)
    x = jnp.asarray([1.0])
    rows = jax.jit(
        jax.vmap(lambda key: noisy_gradient(estimator, key, lambda seed, x: x[0] ** 3, x))
    )(jax.random.split(KEY, 100_000))
    assert estimator.declaration.unbiased
    assert unbiased(rows, (3.75,))
    assert not unbiased(rows, (3.0,))
    assert not unbiased(rows * 0.5, (3.75,))  # the 1/sigma that some code leaves out


@pytest.mark.slow
def test_ranks():
    np.testing.assert_allclose(
        centred_ranks(jnp.asarray([3.0, jnp.nan, -1.0, 1e9, 0.0])), [0.25, -0.5, -0.25, 0.5, 0.0]
    )
    estimator = SmoothedScore(64, ranks=True)
    assert not estimator.declaration.unbiased
    f = lambda scale: noisy_gradient(  # noqa: E731
        estimator, KEY, lambda seed, x: scale * jnp.sum(x), jnp.zeros(3)
    )
    np.testing.assert_allclose(f(1.0), f(1000.0), rtol=1e-5)
    assert (f(1.0) > 0).all()


@pytest.mark.parametrize(
    "estimator", [FiniteDifferences(0.1), SmoothedScore(16), SmoothedScore(16, mirrored=False)]
)
def test_of_policies(estimator):
    """Candidates and gradient keep the policy's structure; the steps are in its parameters."""
    policy = Affine(jnp.ones((2, 3)), jnp.zeros(3))
    candidates = estimator.propose(KEY, policy)
    assert candidates.weights.shape == (estimator.population_size, 2, 3)
    gradient = jax.jit(estimator.estimate)(policy, candidates, jnp.zeros(estimator.population_size))
    assert jax.tree.structure(gradient) == jax.tree.structure(policy)
    np.testing.assert_allclose(ravel_parameters(gradient)[0], 0.0, atol=1e-5)


def test_a_policy_that_cannot_be_differentiated():
    """Right with a probability that jumps: a number all the same, and no NaN."""
    environment = ShortCorridor()

    class Threshold(eqx.Module):
        theta: jax.Array

        def __call__(self, step):
            return jnp.where(jnp.sin(step * self.theta[0]) > 0.0, 1, 0)

    def steps(seed, policy):
        state, _ = environment.reset(jax.random.key(seed))

        def move(carry, step):
            state, total = carry
            state, out = environment.step(jax.random.key(seed), state, policy(step))
            return (state, total + out.reward), None

        return jax.lax.scan(move, (state, jnp.zeros(())), jnp.arange(40.0))[0][1]

    policy = Threshold(jnp.asarray([1.3]))
    assert float(jax.grad(lambda p: steps(0, p))(policy).theta[0]) == 0.0
    estimator = FiniteDifferences(0.4, "central").for_policy(policy)
    gradient = noisy_gradient(estimator, KEY, steps, policy)
    assert np.isfinite(gradient.theta).all()
    assert gradient.theta[0] != 0.0


def test_bad_input():
    with pytest.raises(UpslopeError, match="mirrored perturbations come in pairs"):
        SmoothedScore(5)
    with pytest.raises(UpslopeError, match="step=0"):
        FiniteDifferences(0.0)
    with pytest.raises(UpslopeError, match="Did you mean 'central'"):
        FiniteDifferences(0.1, "centrl")
    with pytest.raises(UpslopeError, match="for_policy"):
        _ = FiniteDifferences(0.1, "forward").population_size
    with pytest.raises(UpslopeError, match="num_parameters=2, and this policy has 3"):
        FiniteDifferences(0.1, "forward", 2).propose(KEY, jnp.zeros(3))
    estimator = SmoothedScore(8)
    candidates = estimator.propose(KEY, jnp.zeros(2))
    with pytest.raises(UpslopeError, match=r"returns of shape \(3,\) for 8 candidates"):
        estimator.estimate(jnp.zeros(2), candidates, jnp.zeros(3))
