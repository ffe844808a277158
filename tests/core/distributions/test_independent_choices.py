"""MultiCategorical and Bernoulli against sums over their factors and scipy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from upslope.core.checks import UpslopeError
from upslope.core.distributions import Bernoulli, MultiCategorical

FACTORS = (np.array([0.1, -0.4]), np.array([1.0, 0.0, -2.0]), np.array([0.5]))
ODDS = np.array([0.2, -1.5, 3.0])


def joint(factors):
    p = [scipy.special.softmax(h) for h in factors]
    return np.einsum("i,j,k->ijk", *p)


def test_multi_categorical_is_the_product_of_its_factors(x64):
    here = MultiCategorical(tuple(map(jnp.array, FACTORS)))
    other_logits = tuple(-2.0 * h for h in FACTORS)
    there = MultiCategorical(tuple(map(jnp.array, other_logits)))
    p, q = joint(FACTORS), joint(other_logits)
    for index in itertools.product(range(2), range(3), range(1)):
        np.testing.assert_allclose(here.log_prob(jnp.array(index)), np.log(p[index]), atol=1e-12)
    np.testing.assert_allclose(here.entropy(), scipy.stats.entropy(p.ravel()), atol=1e-12)
    np.testing.assert_allclose(here.kl(there), scipy.stats.entropy(p.ravel(), q.ravel()))
    np.testing.assert_array_equal(here.mode(), [0, 0, 0])


def test_multi_categorical_samples_follow_the_joint():
    """Chi-square of 5e4 draws; false-alarm rate 1e-6."""
    d = MultiCategorical(tuple(jnp.array(h, jnp.float32) for h in FACTORS))
    draws = np.asarray(jax.jit(jax.vmap(d.sample))(jax.random.split(jax.random.key(0), 50_000)))
    assert draws.shape == (50_000, 3)
    counts = np.bincount(draws[:, 0] * 3 + draws[:, 1], minlength=6)
    assert scipy.stats.chisquare(counts, 5e4 * joint(FACTORS).ravel()).pvalue > 1e-6


def test_multi_categorical_masks_each_factor():
    mask = (jnp.array([True, False]), jnp.ones(3, bool), jnp.ones(1, bool))
    d = MultiCategorical(tuple(map(jnp.array, FACTORS)), mask)
    assert d.log_prob(jnp.array([1, 0, 0])) == -jnp.inf
    with pytest.raises(UpslopeError, match="forbids every action"):
        MultiCategorical(d.logits, (jnp.zeros(2, bool), *mask[1:]))


def test_bernoulli_is_scipys(x64):
    here, there = Bernoulli(jnp.array(ODDS)), Bernoulli(jnp.array(ODDS[::-1].copy()))
    p, q = scipy.special.expit(ODDS), scipy.special.expit(ODDS[::-1])
    kl = 0.0
    for x in itertools.product((0, 1), repeat=3):
        expected = scipy.stats.bernoulli.logpmf(x, p).sum()
        np.testing.assert_allclose(here.log_prob(jnp.array(x)), expected, atol=1e-12)
        kl += np.exp(expected) * (expected - scipy.stats.bernoulli.logpmf(x, q).sum())
    np.testing.assert_allclose(here.entropy(), scipy.stats.bernoulli(p).entropy().sum())
    np.testing.assert_allclose(here.kl(there), kl, atol=1e-12)
    np.testing.assert_array_equal(here.mode(), [1, 0, 1])


def test_the_score_of_a_bernoulli_unit_is_action_minus_probability(x64):
    action = jnp.array([1, 1, 0])
    score = jax.grad(lambda h: Bernoulli(h).log_prob(action))(jnp.array(ODDS))
    np.testing.assert_allclose(score, action - scipy.special.expit(ODDS), atol=1e-12)


def test_bernoulli_survives_extreme_odds_and_refuses_what_is_not_a_switch():
    d = Bernoulli(jnp.array([1e4, -1e4]))
    assert d.log_prob(jnp.array([1, 0])) == 0.0
    assert d.log_prob(jnp.array([0, 0])) == -1e4
    assert d.entropy() == 0.0
    assert d.log_prob(jnp.array([2, 0])) == -jnp.inf


def test_bernoulli_samples_are_int8_at_the_right_rate():
    """Binomial test of each switch over 1e5 draws; false-alarm rate 3e-6."""
    d = Bernoulli(jnp.array(ODDS, jnp.float32))
    draws = np.asarray(jax.jit(jax.vmap(d.sample))(jax.random.split(jax.random.key(1), 100_000)))
    assert draws.dtype == np.int8
    for k, p in enumerate(scipy.special.expit(ODDS)):
        assert scipy.stats.binomtest(int(draws[:, k].sum()), 100_000, p).pvalue > 1e-6
