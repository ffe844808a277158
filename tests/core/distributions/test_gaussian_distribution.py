"""DiagonalGaussian against scipy, its scores and its Fisher information."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from upslope.core.distributions import DiagonalGaussian

MEAN, LOG_STD = np.array([0.5, -2.0]), np.array([-0.7, 1.1])
X = np.array([0.9, 3.0])


def test_log_prob_entropy_and_kl(x64):
    here = DiagonalGaussian(jnp.array(MEAN), jnp.array(LOG_STD))
    there = DiagonalGaussian(jnp.array(X), jnp.array(-LOG_STD))
    norm = scipy.stats.norm(MEAN, np.exp(LOG_STD))
    np.testing.assert_allclose(here.log_prob(jnp.array(X)), norm.logpdf(X).sum(), atol=1e-12)
    np.testing.assert_allclose(here.entropy(), norm.entropy().sum(), atol=1e-12)
    ratio = np.exp(2 * (LOG_STD + LOG_STD))
    kl = 0.5 * (ratio + (MEAN - X) ** 2 * np.exp(2 * LOG_STD) - 1 - np.log(ratio)).sum()
    np.testing.assert_allclose(here.kl(there), kl, atol=1e-12)
    np.testing.assert_array_equal(here.mode(), MEAN)


def test_the_scores_are_those_of_exercise_13_4(x64):
    def log_prob(mean, log_std):
        return DiagonalGaussian(mean, log_std).log_prob(jnp.array(X))

    in_mean, in_log_std = jax.grad(log_prob, (0, 1))(jnp.array(MEAN), jnp.array(LOG_STD))
    variance = np.exp(2 * LOG_STD)
    np.testing.assert_allclose(in_mean, (X - MEAN) / variance, atol=1e-10)
    np.testing.assert_allclose(in_log_std, (X - MEAN) ** 2 / variance - 1, atol=1e-10)


@pytest.mark.slow
def test_the_fisher_information_is_the_curvature_of_the_kl(x64):
    def divergence(shift):
        here = DiagonalGaussian(jnp.array(MEAN), jnp.array(LOG_STD))
        return here.kl(DiagonalGaussian(here.mean + shift[:2], here.log_std + shift[2:]))

    fisher = jax.hessian(divergence)(jnp.zeros(4))
    np.testing.assert_allclose(fisher, np.diag([*np.exp(-2 * LOG_STD), 2.0, 2.0]), atol=1e-9)


def test_a_kl_between_near_neighbours_keeps_its_digits():
    here = DiagonalGaussian(jnp.zeros(1), jnp.zeros(1))
    there = DiagonalGaussian(jnp.zeros(1), jnp.full(1, 1e-3))
    np.testing.assert_allclose(here.kl(there), 1e-6, rtol=0.01)


def test_samples_are_normal():
    """Kolmogorov-Smirnov on 2e4 draws of each component; false-alarm rate 2e-6."""
    d = DiagonalGaussian(jnp.array(MEAN, jnp.float32), jnp.array(LOG_STD, jnp.float32))
    draws = np.asarray(jax.jit(jax.vmap(d.sample))(jax.random.split(jax.random.key(0), 20_000)))
    for k in range(2):
        standard = (draws[:, k] - MEAN[k]) / np.exp(LOG_STD[k])
        assert scipy.stats.kstest(standard, "norm").pvalue > 1e-6
    assert abs(np.corrcoef(draws.T)[0, 1]) < 5 / np.sqrt(20_000)


def test_the_event_may_have_any_shape():
    d = DiagonalGaussian(jnp.zeros((2, 3)), jnp.zeros((2, 3)))
    assert d.sample(jax.random.key(0)).shape == (2, 3)
    assert d.log_prob(jnp.zeros((2, 3))).shape == ()
