"""Online estimates of signal and noise against what they estimate.

Means over thousands of batches, |z| < 4.5: a false alarm at a fresh seed has a chance of 7e-6 for
each comparison. The seeds are fixed.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from small_episodes import EPISODES, MDPS, POLICY, sampled
from upslope import exact
from upslope.diagnostics.gradient_quality import (
    QualityAverages,
    batch_advice,
    half_batch_quality,
    moment_quality,
    round_up,
)
from upslope.estimators import LeaveOneOut, LikelihoodRatio, NoBaseline
from upslope.objectives import EpisodicReturn

SMALL = 10_000  # batches


def z(values, truth):
    values = np.asarray(values, np.float64)
    return (values.mean() - truth) / (values.std(ddof=1) / np.sqrt(len(values)))


def halves_of(baseline):
    batches = jax.tree.map(lambda leaf: leaf[:SMALL], sampled("ending"))
    estimator = LikelihoodRatio(baseline)

    def one(batch):
        estimate = estimator.estimate(POLICY, batch, EpisodicReturn(), half_batch_gradients=True)
        return estimate.gradient, estimate.half_batch_gradients

    return jax.jit(jax.vmap(one))(batches)


@pytest.fixture(scope="module")
def truth():
    """|grad J|^2 exactly, and the variance of one episode's gradient from 200,000 episodes."""
    gradient = np.asarray(exact.gradient(POLICY, MDPS["ending"], EpisodicReturn(), 4).logits)
    single = jax.jit(
        jax.vmap(
            lambda batch: (
                LikelihoodRatio(NoBaseline()).estimate(POLICY, batch, EpisodicReturn()).gradient
            )
        )
    )
    batches = jax.tree.map(lambda leaf: leaf[:25_000], sampled("ending"))
    episodes = jax.tree.map(
        lambda leaf: jnp.moveaxis(leaf, 2, 1).reshape(-1, leaf.shape[1], 1, *leaf.shape[3:]),
        batches._replace(memory=()),
    )
    rows = np.asarray(single(episodes).logits, np.float64).reshape(-1, gradient.size)
    return float(np.sum(gradient**2)), float(rows.var(axis=0, ddof=1).sum())


@pytest.mark.slow
def test_the_halves_make_up_the_whole():
    whole, halves = halves_of(LeaveOneOut())
    np.testing.assert_allclose(halves.logits.mean(axis=1), whole.logits, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("wrong", [False, True])
def test_signal_and_noise_are_those_of_the_exact_gradient(truth, wrong):
    """Wrong on purpose: the squared length of the whole batch's gradient as the signal."""
    whole, halves = halves_of(NoBaseline())
    start = QualityAverages.start()
    averages = jax.vmap(lambda h: half_batch_quality(h, EPISODES, start)[1])(halves)
    signal, noise = truth
    measured = jnp.sum(whole.logits**2, axis=(1, 2)) if wrong else averages.signal
    assert (abs(z(measured, signal)) < 4.5) != wrong
    # The truth has its own error: 200,000 episodes against 80,000 here.
    assert abs(z(averages.noise, noise)) < 4.5 * 1.2
    ratio = averages.noise.mean() / averages.signal.mean()
    np.testing.assert_allclose(ratio, noise / signal, rtol=0.1)


def test_averages_settle_on_the_ratio(truth):
    """Over 60 iterations of 100 runs, the median noise scale is near the true one."""
    _, halves = halves_of(NoBaseline())
    runs = jax.tree.map(lambda leaf: leaf[:6000].reshape(60, 100, *leaf.shape[1:]), halves)

    def run(averages, halves):
        step = jax.vmap(lambda h, a: half_batch_quality(h, EPISODES, a))
        quality, averages = step(halves, averages)
        return averages, quality

    start = jax.tree.map(lambda leaf: jnp.zeros(100), QualityAverages.start())
    _, quality = jax.lax.scan(run, start, runs)
    signal, noise = truth
    last = jax.tree.map(lambda leaf: np.asarray(leaf[-1]), quality)
    np.testing.assert_allclose(np.nanmedian(last.noise_scale), noise / signal, rtol=0.25)
    np.testing.assert_allclose(np.nanmedian(last.snr), EPISODES * signal / noise, rtol=0.25)
    assert (np.abs(np.asarray(quality.cosine)) <= 1.0 + 1e-5).all()


@pytest.mark.slow
@pytest.mark.parametrize("length", [0.5, 3.0])
def test_adams_moments_give_signal_and_noise(length):
    """3000 independent gradients of 40 coordinates with unit variance, over 400 runs."""
    optimizer = optax.scale_by_adam()
    mean = jnp.full(40, length / np.sqrt(40))

    def run(key):
        def step(state, key):
            return optimizer.update(mean + jax.random.normal(key, (40,)), state)[1], None

        state, _ = jax.lax.scan(step, optimizer.init(mean), jax.random.split(key, 3000))
        quality = moment_quality(state, 10)
        return quality, jnp.sum(state.nu)

    quality, _ = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), 400))
    # snr = |mean|^2 / 40; clipped at zero, so compare where the signal is strong.
    if length == 3.0:
        assert abs(z(quality.snr, length**2 / 40)) < 4.5
        np.testing.assert_allclose(np.median(quality.noise_scale), 10 * 40 / 9, rtol=0.1)
    else:
        assert np.median(quality.snr) < 0.03
    assert np.isnan(moment_quality(optimizer.init(mean), 10).snr)


def test_equal_halves_have_no_noise_and_zero_ones_no_direction():
    start = QualityAverages.start()
    quality, _ = half_batch_quality({"w": jnp.ones((2, 3))}, 8, start)
    np.testing.assert_allclose(quality.cosine, 1.0, rtol=1e-6)
    assert np.isnan(quality.snr)
    np.testing.assert_allclose(quality.noise_scale, 0.0)
    nothing, _ = half_batch_quality({"w": jnp.zeros((2, 3))}, 8, start)
    assert np.isnan(nothing.cosine)
    assert np.isnan(nothing.snr)
    assert np.isnan(nothing.noise_scale)


def test_advice_is_given_at_the_extremes_alone():
    assert batch_advice(1.0, 32.0, 32, "n_episodes") is None
    assert batch_advice(float("nan"), float("nan"), 32, "n_episodes") is None
    small = batch_advice(0.01, 3200.0, 32, "n_episodes")
    assert small is not None
    assert "raise n_episodes=32 towards about 4,000" in small
    unseen = batch_advice(0.0, float("nan"), 32, "n_episodes")
    assert unseen is not None
    assert "far more" in unseen
    large = batch_advice(64.0, 0.5, 32, "n_episodes")
    assert batch_advice(64.0, 0.5, 32, "n_episodes", bound=True) is None
    assert batch_advice(0.01, 3200.0, 32, "n_episodes", bound=True) == small
    assert large is not None
    assert "smaller n_episodes (now 32, noise scale about 1)" in large


@pytest.mark.parametrize(("number", "rounded"), [(0.2, 1), (1.5, 2), (11.0, 20), (3200.0, 4000)])
def test_numbers_in_advice_are_rounded_up(number, rounded):
    assert round_up(number) == rounded
