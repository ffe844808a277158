"""Categorical against scipy and against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from upslope.core.checks import UpslopeError
from upslope.core.distributions import Categorical

LOGITS = np.array([0.3, -1.2, 2.0, 0.0, -6.0])
MASK = np.array([True, False, True, True, False])


def test_probabilities_entropy_and_kl_are_scipys(x64):
    here, there = Categorical(jnp.array(LOGITS)), Categorical(jnp.array(LOGITS[::-1].copy()))
    p, q = scipy.special.softmax(LOGITS), scipy.special.softmax(LOGITS[::-1])
    for a in range(5):
        np.testing.assert_allclose(here.log_prob(jnp.array(a)), np.log(p[a]), atol=1e-12)
    np.testing.assert_allclose(here.entropy(), scipy.stats.entropy(p), atol=1e-12)
    np.testing.assert_allclose(here.kl(there), scipy.stats.entropy(p, q), atol=1e-12)
    assert here.mode() == 2


def test_masked_actions_have_probability_zero_and_no_gradient(x64):
    masked = Categorical(jnp.array(LOGITS), jnp.array(MASK))
    p = np.where(MASK, np.exp(LOGITS), 0.0)
    p /= p.sum()
    assert masked.probs[1] == 0.0
    assert masked.log_prob(jnp.array(1)) == -jnp.inf
    np.testing.assert_allclose(masked.probs, p, atol=1e-15)
    np.testing.assert_allclose(masked.entropy(), scipy.stats.entropy(p), atol=1e-12)
    np.testing.assert_allclose(
        masked.kl(Categorical(jnp.array(LOGITS))),
        scipy.stats.entropy(p, scipy.special.softmax(LOGITS)),
        atol=1e-12,
    )
    assert Categorical(jnp.array(LOGITS)).kl(masked) == jnp.inf

    def statistic(logits):
        d = Categorical(logits, jnp.array(MASK))
        return d.entropy() + d.log_prob(jnp.array(0)) + d.kl(Categorical(2 * logits, d.mask))

    gradient = jax.grad(statistic)(jnp.array(LOGITS))
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(np.asarray(gradient)[~MASK], 0.0)
    assert (np.asarray(gradient)[MASK] != 0).all()


def test_the_mode_and_the_samples_respect_the_mask():
    mask = jnp.array([True, True, False])
    masked = Categorical(jnp.array([0.0, 1.0, 50.0]), mask)
    assert masked.mode() == 1
    samples = jax.vmap(masked.sample)(jax.random.split(jax.random.key(0), 500))
    assert set(np.unique(samples)) == {0, 1}


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_no_overflow_at_extreme_logits(scale):
    d = Categorical(jnp.array([scale, 0.0, -scale]))
    best = jnp.array(0 if scale > 0 else 2)
    values = jnp.stack([d.log_prob(best), d.entropy(), d.log_prob(jnp.array(1)), d.kl(d)])
    np.testing.assert_allclose(values, [0.0, 0.0, -1e4, 0.0], atol=1e-6)
    gradient = jax.grad(lambda h: Categorical(h).entropy() + Categorical(h).log_prob(best))(
        d.logits
    )
    assert np.isfinite(gradient).all()


def test_adding_a_constant_to_all_logits_changes_nothing(x64):
    here, there = Categorical(jnp.array(LOGITS)), Categorical(jnp.array(LOGITS + 123.0))
    np.testing.assert_allclose(here.log_probs, there.log_probs, atol=1e-12)
    np.testing.assert_allclose(here.kl(there), 0.0, atol=1e-12)


def test_samples_follow_the_probabilities():
    """Chi-square of 1e5 draws; false-alarm rate 1e-6."""
    d = Categorical(jnp.array(LOGITS[:4], jnp.float32))
    samples = jax.jit(jax.vmap(d.sample))(jax.random.split(jax.random.key(3), 100_000))
    counts = np.bincount(samples, minlength=4)
    assert scipy.stats.chisquare(counts, 1e5 * scipy.special.softmax(LOGITS[:4])).pvalue > 1e-6


@pytest.mark.parametrize("value", [-1, 5])
def test_what_is_no_action_is_impossible(value):
    assert Categorical(jnp.array(LOGITS)).log_prob(jnp.array(value)) == -jnp.inf


def test_a_mask_that_forbids_everything_is_an_error():
    with pytest.raises(UpslopeError, match="forbids every action"):
        Categorical(jnp.zeros(3), jnp.zeros(3, bool))
    with pytest.raises(UpslopeError, match="one boolean for each action"):
        Categorical(jnp.zeros(3), jnp.ones(2, bool))
