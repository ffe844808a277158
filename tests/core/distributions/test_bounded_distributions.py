"""TanhGaussian and BetaInterval: on the box, normalised, exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from upslope.core.distributions import BetaInterval, TanhGaussian

LOW, HIGH = np.array([-2.0, 0.0]), np.array([2.0, 5.0])


def squashed(mean, log_std, dtype=None):
    return TanhGaussian(*(jnp.array(x, dtype) for x in (mean, log_std, LOW, HIGH)))


def scalar(mean, log_std, low=-1.0, high=3.0):
    return TanhGaussian(*(jnp.array([x], float) for x in (mean, log_std, low, high)))


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (0.8, -1.0), (-1.5, 0.5)])
def test_squashed_density_integrates_to_one_and_gives_the_entropy(x64, mean, log_std):
    d = scalar(mean, log_std)
    # In u, where the integrand is smooth up to the ends.
    u = np.linspace(mean - 8 * np.exp(log_std), mean + 8 * np.exp(log_std), 4001)
    u = u[np.abs(u) < 15]
    x = -1.0 + 4.0 * (1 + np.tanh(u)) / 2
    slope = 2.0 * (1 - np.tanh(u) ** 2)
    log_prob = np.asarray(jax.jit(jax.vmap(d.log_prob))(jnp.array(x)[:, None]))
    mass = np.exp(log_prob) * slope
    np.testing.assert_allclose(scipy.integrate.trapezoid(mass, u), 1.0, atol=1e-9)
    entropy = -scipy.integrate.trapezoid(mass * log_prob, u)
    np.testing.assert_allclose(d.entropy(), entropy, atol=2e-5)


def test_squashed_log_prob_is_the_change_of_variables(x64):
    mean, log_std, u = np.array([0.3, -0.5]), np.array([-0.2, 0.4]), np.array([1.2, -2.0])
    x = LOW + (HIGH - LOW) * (1 + np.tanh(u)) / 2
    slope = (HIGH - LOW) / 2 / np.cosh(u) ** 2
    expected = (scipy.stats.norm.logpdf(u, mean, np.exp(log_std)) - np.log(slope)).sum()
    np.testing.assert_allclose(squashed(mean, log_std).log_prob(jnp.array(x)), expected, atol=1e-10)


def test_squashed_draws_carry_their_own_log_prob():
    d = squashed([0.3, -0.5], [-0.2, 0.1], jnp.float32)
    keys = jax.random.split(jax.random.key(0), 2000)
    x, log_prob = jax.jit(jax.vmap(d.sample_and_log_prob))(keys)
    drawn = np.asarray(x)
    inner = np.all((drawn > LOW + 0.01) & (drawn < HIGH - 0.01), axis=1)
    again = np.asarray(jax.jit(jax.vmap(d.log_prob))(x))
    np.testing.assert_allclose(again[inner], np.asarray(log_prob)[inner], atol=2e-3)
    np.testing.assert_array_equal(x, jax.jit(jax.vmap(d.sample))(keys))


@pytest.mark.slow
def test_squashed_is_finite_at_the_border_and_impossible_beyond():
    d = squashed([30.0, -30.0], [0.0, 0.0], jnp.float32)
    x, log_prob = d.sample_and_log_prob(jax.random.key(0))
    np.testing.assert_array_equal(x, [2.0, 0.0])
    assert np.isfinite(log_prob)
    value, gradient = jax.value_and_grad(lambda d: d.log_prob(x))(d)
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert d.log_prob(jnp.array([2.5, 1.0])) == -jnp.inf


def test_squashed_kl_is_that_of_the_gaussians(x64):
    here, there = scalar(0.2, -0.3), scalar(-0.5, 0.1)
    u = np.linspace(-7, 7, 4001)
    p = scipy.stats.norm(0.2, np.exp(-0.3))
    q = scipy.stats.norm(-0.5, np.exp(0.1))
    kl = scipy.integrate.trapezoid(p.pdf(u) * (p.logpdf(u) - q.logpdf(u)), u)
    np.testing.assert_allclose(here.kl(there), kl, atol=1e-8)
    np.testing.assert_allclose(here.mode(), [-1 + 2 * (1 + np.tanh(0.2))], atol=1e-12)


def test_squashed_samples_follow_the_density():
    """Kolmogorov-Smirnov on 2e4 draws; false-alarm rate 1e-6."""
    d = scalar(0.4, -0.5)
    draws = np.asarray(jax.jit(jax.vmap(d.sample))(jax.random.split(jax.random.key(2), 20_000)))
    u = np.arctanh((draws[:, 0].astype(float) + 1.0) / 2 - 1)
    assert scipy.stats.kstest((u - 0.4) / np.exp(-0.5), "norm").pvalue > 1e-6


def beta(a, b, dtype=None):
    return BetaInterval(*(jnp.array(x, dtype) for x in (a, b, LOW, HIGH)))


A, B = np.array([1.5, 4.0]), np.array([3.0, 1.2])


def test_beta_is_scipys(x64):
    here, there = beta(A, B), beta(B, A)
    p = scipy.stats.beta(A, B, LOW, HIGH - LOW)
    q = scipy.stats.beta(B, A, LOW, HIGH - LOW)
    x = np.array([-0.4, 3.3])
    np.testing.assert_allclose(here.log_prob(jnp.array(x)), p.logpdf(x).sum(), atol=1e-10)
    np.testing.assert_allclose(here.entropy(), p.entropy().sum(), atol=1e-10)
    kl = sum(
        scipy.integrate.quad(
            lambda z, k=k: (
                scipy.stats.beta.pdf(z, A[k], B[k])
                * (scipy.stats.beta.logpdf(z, A[k], B[k]) - scipy.stats.beta.logpdf(z, B[k], A[k]))
            ),
            0,
            1,
        )[0]
        for k in range(2)
    )
    np.testing.assert_allclose(here.kl(there), kl, atol=1e-7)
    assert q.logpdf(x).sum() != p.logpdf(x).sum()


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(3.0, 2.0, 2 / 3), (0.5, 2.0, 0.0), (2.0, 0.5, 1.0), (1.0, 1.0, 0.5), (0.5, 0.5, 0.5),
     (1.0, 2.0, 0.0), (1.0, 0.5, 1.0)],
)  # fmt: skip
def test_beta_mode(a, b, expected):
    d = BetaInterval(*(jnp.array([x]) for x in (a, b, 0.0, 1.0)))
    np.testing.assert_allclose(d.mode(), [expected], atol=1e-6)


def test_beta_at_the_border():
    d = beta(A, B, jnp.float32)
    for x in (LOW, HIGH):
        value, gradient = jax.value_and_grad(lambda d, x=x: d.log_prob(jnp.array(x, "f")))(d)
        assert np.isfinite(value)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert d.log_prob(jnp.array([-2.5, 1.0])) == -jnp.inf


def test_beta_samples_follow_the_density():
    """Kolmogorov-Smirnov on 1e4 draws of each component; false-alarm rate 2e-6."""
    d = beta(A, B, jnp.float32)
    draws = np.asarray(jax.jit(jax.vmap(d.sample))(jax.random.split(jax.random.key(0), 10_000)))
    for k in range(2):
        exact = scipy.stats.beta(A[k], B[k], LOW[k], HIGH[k] - LOW[k])
        assert scipy.stats.kstest(draws[:, k], exact.cdf).pvalue > 1e-6
