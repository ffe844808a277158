"""Samples of one distribution that speak for another."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.core.distributions import Bernoulli, DiagonalGaussian
from upslope.estimators import (
    ImportanceSampling,
    ImportanceWeightWarning,
    NoControlVariate,
    ScoreFunction,
    effective_sample_size,
    importance_estimate,
    normalized_weights,
    tail_index,
)
from z_test import unbiased

NORMAL = (jnp.asarray(1.0), jnp.asarray(0.0))
WIDE = DiagonalGaussian(jnp.asarray([1.2]), jnp.asarray([0.3]))


def normal(parameters):
    mean, log_std = parameters
    return DiagonalGaussian(mean[None], log_std[None])


def square(x):
    return jnp.sum(jnp.square(x))


def rows_of(estimator, seed=0):
    return jax.jit(lambda key: estimator.per_sample(key, normal, NORMAL, square))(
        jax.random.key(seed)
    )


def test_unbiased_from_another_distribution():
    assert unbiased(rows_of(ImportanceSampling(200_000, WIDE)), (2.0, 2.0))
    # The proposal's own score function is no estimate of the target's gradient.
    wrong = jax.jit(
        lambda key: ScoreFunction(200_000).per_sample(
            key, normal, (jnp.asarray(1.2), jnp.asarray(0.3)), square
        )
    )(jax.random.key(0))
    assert not unbiased(wrong, (2.0, 2.0))


@pytest.mark.parametrize(
    ("weighting", "few"), [("ordinary", True), ("self-normalized", False), ("clipped", False)]
)
def test_few_samples_show_the_bias_that_is_declared(weighting, few):
    estimator = ImportanceSampling(3, WIDE, weighting, 0.7)
    assert estimator.declaration.unbiased == few
    keys = jax.random.split(jax.random.key(1), 60_000)
    rows = jax.jit(jax.vmap(lambda key: estimator.estimate(key, normal, NORMAL, square)))(keys)
    assert unbiased(rows, (2.0, 2.0)) == few


@pytest.mark.slow
def test_self_normalised_ones_are_consistent():
    """The error of a ratio is O(1/N) in the mean: with many samples it is below the noise."""
    rows = rows_of(ImportanceSampling(200_000, WIDE, "self-normalized"))
    assert unbiased(rows, (2.0, 2.0))


@pytest.mark.slow
def test_at_its_own_distribution_it_is_the_score_function(x64):
    parameters = (jnp.asarray(1.0), jnp.asarray(0.2))
    key = jax.random.key(0)
    own, plain = (
        jax.jit(lambda key, e=e: e.estimate(key, normal, parameters, square))(key)
        for e in (
            ImportanceSampling(100, normal(parameters)),
            ScoreFunction(100, NoControlVariate()),
        )
    )
    np.testing.assert_allclose(own, plain, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("weighting", ["ordinary", "self-normalized"])
def test_it_is_the_gradient_of_the_importance_weighted_estimate(x64, weighting):
    """Tang and Abbeel (2010): differentiate the estimate of E_p[f] itself, samples held fixed."""
    wide = DiagonalGaussian(jnp.asarray([1.2]), jnp.asarray([0.3]))
    estimator = ImportanceSampling(50, wide, weighting)
    key = jax.random.key(0)
    parameters = (jnp.asarray(1.0), jnp.asarray(0.0))
    samples, _ = estimator.weigh(key, normal(parameters))

    def estimate(parameters):
        ratio = jax.vmap(lambda x: normal(parameters).log_prob(x) - wide.log_prob(x))(samples)
        u = normalized_weights(ratio, weighting)
        return jnp.sum(u * jax.vmap(square)(samples))

    want = jax.jit(jax.grad(estimate))(parameters)
    got = jax.jit(lambda key: estimator.estimate(key, normal, parameters, square))(key)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_unbiased_by_enumeration(x64):
    """sum_x q w f grad log p = grad E_p[f] on {0, 1}, far from q."""
    p, q = Bernoulli(jnp.asarray([1.3])), Bernoulli(jnp.asarray([-0.4]))
    x = jnp.asarray([[0], [1]])
    log_q = jax.vmap(q.log_prob)(x)
    log_weight = jax.vmap(p.log_prob)(x) - log_q
    values = jnp.asarray([2.0, -1.0])
    w = 2.0 * normalized_weights(log_weight)
    np.testing.assert_allclose(jnp.sum(jnp.exp(log_q) * w), 1.0, rtol=1e-12)
    mean = p.probs[0]
    np.testing.assert_allclose(
        jnp.sum(jnp.exp(log_q) * w * values), 2.0 * (1 - mean) - mean, rtol=1e-12
    )


def test_the_expectation_itself():
    got = jax.jit(
        lambda key: ImportanceSampling(50_000, WIDE).expectation(key, normal(NORMAL), square)
    )(jax.random.key(0))
    assert abs(float(got.value) - 2.0) < 4.5 * float(got.standard_error) < 0.15
    assert 20_000 < float(got.effective_sample_size) < 50_000


def infinite_variance_episodes(rng, shape):
    """Sutton and Barto, example 5.5: `left` ends an episode with probability 0.1 and a reward of 1,
    `right` ends it with none. The target always goes left, the behaviour by the toss of a coin:
    the weight is 2^T if it never went right, else 0. A step of the behaviour is the last one with
    probability 0.55, by `left` in one case of eleven."""
    steps = rng.geometric(0.55, shape)
    arrived = rng.random(shape) < 0.05 / 0.55
    with np.errstate(divide="ignore"):
        return np.log(np.where(arrived, 2.0**steps, 0.0)), arrived.astype(float)


def test_infinite_variance_is_warned_of():
    log_weight, returns = map(
        jnp.asarray, infinite_variance_episodes(np.random.default_rng(0), 20_000)
    )
    with pytest.warns(ImportanceWeightWarning):
        got = importance_estimate(log_weight, returns)
    assert float(got.effective_sample_size) < 1000
    # Every episode that counts has return 1: weighing by the sum of the weights is exact here.
    with pytest.warns(ImportanceWeightWarning):
        np.testing.assert_allclose(
            importance_estimate(log_weight, returns, "self-normalized").value, 1.0, rtol=1e-5
        )


@pytest.mark.parametrize("infinite", [True, False])
def test_infinite_variance_breaks_the_standard_error(infinite):
    """E[w^2] = 0.1 sum_T 0.9^(T-1) 2^T has no end: in many of 2,000 runs the true value of 1 lies
    beyond 4.5 standard errors, though the estimator is unbiased. Bounded weights never do that."""
    rng = np.random.default_rng(0)
    log_weight, _ = infinite_variance_episodes(rng, (2000, 500))
    if not infinite:
        log_weight = np.where(rng.random((2000, 500)) < 0.5, np.log(1.1), np.log(0.9))
    weight = np.exp(log_weight)
    error = weight.std(axis=1, ddof=1) / np.sqrt(500)
    beyond = np.mean(np.abs(weight.mean(axis=1) - 1.0) > 4.5 * error)
    assert (beyond > 0.05) == infinite
    assert infinite or beyond == 0


@pytest.mark.slow
def test_near_weights_raise_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(6):
            ImportanceSampling(500, WIDE).estimate(jax.random.key(seed), normal, NORMAL, square)


@pytest.mark.slow
def test_a_narrow_proposal_is_warned_of():
    narrow = DiagonalGaussian(jnp.asarray([1.0]), jnp.log(jnp.asarray([0.4])))
    with pytest.warns(ImportanceWeightWarning, match=r"variance looks infinite.*nearer proposal"):
        ImportanceSampling(5000, narrow).estimate(jax.random.key(0), normal, NORMAL, square)
    far = DiagonalGaussian(jnp.asarray([8.0]), jnp.asarray([0.0]))
    with pytest.warns(ImportanceWeightWarning, match="worth [12]"):
        ImportanceSampling(100, far).estimate(jax.random.key(0), normal, NORMAL, square)


@pytest.mark.parametrize("k", [0.1, 0.5, 0.9])
def test_the_tail_index_of_known_tails(k):
    weights = np.random.default_rng(0).pareto(1.0 / k, 50_000) + 1.0
    np.testing.assert_allclose(tail_index(np.log(weights)), k, atol=0.12)


def test_few_weights_have_no_tail():
    assert np.isnan(tail_index(np.zeros(10)))
    assert np.isnan(tail_index(np.zeros(1000)))


def test_effective_samples_of_known_weights():
    np.testing.assert_allclose(effective_sample_size(jnp.zeros(7)), 7.0, rtol=1e-6)
    np.testing.assert_allclose(
        effective_sample_size(jnp.asarray([0.0, -jnp.inf, -jnp.inf])), 1.0, rtol=1e-6
    )


def test_nothing_overflows_on_the_way():
    log_weight = jnp.asarray([1000.0, 999.0, -jnp.inf])
    u = normalized_weights(log_weight, "self-normalized")
    np.testing.assert_allclose(u, [np.e / (1 + np.e), 1 / (1 + np.e), 0.0], rtol=1e-5)
    np.testing.assert_allclose(
        normalized_weights(log_weight, "clipped", 6.0), [2.0, 2.0, 0.0], rtol=1e-5
    )
    np.testing.assert_allclose(effective_sample_size(log_weight), 1.648, rtol=1e-3)
    # exp(89) is beyond float32; a tenth of it is not.
    ten = jnp.full(10, 89.0).at[1:].set(-jnp.inf)
    assert np.isfinite(normalized_weights(ten)).all()


def test_bad_input():
    with pytest.raises(UpslopeError, match="number of weights"):
        importance_estimate(jnp.zeros(0), jnp.zeros(0))
    with pytest.raises(UpslopeError, match="probability zero to a sample of its own"):
        importance_estimate(jnp.asarray([0.0, jnp.inf]), jnp.zeros(2))
    with pytest.raises(UpslopeError, match="probability zero to a sample of its own"):
        importance_estimate(jnp.asarray([jnp.nan, 0.0]), jnp.zeros(2))
    with pytest.raises(UpslopeError, match="target gives probability zero to all 2"):
        importance_estimate(jnp.full(2, -jnp.inf), jnp.zeros(2))
    with pytest.raises(UpslopeError, match="got no proposal"):
        ImportanceSampling(10)
    with pytest.raises(UpslopeError, match="weighting='normalised'"):
        ImportanceSampling(10, WIDE, "normalised")
    with pytest.raises(UpslopeError, match="clip=0"):
        ImportanceSampling(10, WIDE, "clipped", 0.0)


@pytest.mark.parametrize(
    ("log_weight", "values", "settings", "message"),
    [
        (jnp.zeros(5), jnp.zeros((5, 1)), {}, r"shape \(5,\) and values of shape \(5, 1\)"),
        (jnp.zeros(5), jnp.zeros(4), {}, "a weight and a value for each sample"),
        (jnp.zeros(5), jnp.zeros(5), {"weighting": "clipped", "clip": -1.0}, "clip=-1"),
    ],
)
def test_values_and_clips_that_do_not_fit(log_weight, values, settings, message):
    with pytest.raises(UpslopeError, match=message):
        importance_estimate(log_weight, values, **settings)


def test_the_effective_sample_size_stays_in_its_range():
    assert float(importance_estimate(jnp.zeros(5000), jnp.ones(5000)).effective_sample_size) <= 5000
