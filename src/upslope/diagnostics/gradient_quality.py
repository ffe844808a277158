"""How much of a gradient estimate is signal: cheap measurements while a search runs."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.annotations import PyTree

# How many iterations the running averages reach back, about.
MEMORY = 20.0


class GradientQuality(NamedTuple):
    """Signal and noise of one gradient estimate; scalars, NaN where nothing is known."""

    snr: Array  # |grad J|^2 over the total variance of the estimate from the whole batch
    cosine: Array  # between the estimates of the two halves of the batch
    noise_scale: Array  # the batch, in samples, at which signal and noise would be equal

    @classmethod
    def unknown(cls) -> GradientQuality:
        """Where it was not measured."""
        nan = jnp.full((), jnp.nan)
        return cls(nan, nan, nan)


class QualityAverages(NamedTuple):
    """Running sums that a search method carries from one iteration to the next."""

    signal: Array  # scalar: of the estimates of |grad J|^2
    noise: Array  # scalar: of the estimates of the variance of one sample, summed over coordinates
    weight: Array  # scalar: how much went into them

    @classmethod
    def start(cls) -> QualityAverages:
        """Before the first iteration."""
        return cls(jnp.zeros(()), jnp.zeros(()), jnp.zeros(()))


def half_batch_quality(
    half_batch_gradients: PyTree, samples: int, averages: QualityAverages
) -> tuple[GradientQuality, QualityAverages]:
    r"""What two independent halves of a batch say about its gradient.

    .. math:: E[g_1 \cdot g_2] = |\nabla J|^2, \qquad
              E|g_1 - g_2|^2 = \frac{4}{N} \operatorname{tr} \Sigma

    Both are unbiased, with Sigma the covariance of one sample's gradient; they are averaged over
    some iterations before their ratio is taken, because either alone is as noisy as what it
    measures. The noise scale is :math:`B = \operatorname{tr}\Sigma / |\nabla J|^2` and the
    signal-to-noise ratio of the batch N / B.

    Args:
      half_batch_gradients: the gradients from either half, leaves [2, ...].
      samples: N, independent samples (episodes) in the whole batch.
      averages: from the iterations before.

    Returns:
      The quality, and the averages with this iteration in them.

    References:
      McCandlish et al. (2018), "An Empirical Model of Large-Batch Training", appendix A.1.
    """
    flat = jnp.concatenate(
        [leaf.reshape(2, -1) for leaf in jax.tree.leaves(half_batch_gradients)], axis=1
    )
    first, second = flat[0], flat[1]
    signal = jnp.dot(first, second)
    noise = 0.25 * samples * jnp.sum(jnp.square(first - second))
    lengths = jnp.sqrt(jnp.sum(jnp.square(first)) * jnp.sum(jnp.square(second)))
    cosine = jnp.where(lengths > 0, signal / jnp.where(lengths > 0, lengths, 1.0), jnp.nan)
    keep = 1.0 - 1.0 / MEMORY
    averages = QualityAverages(
        keep * averages.signal + signal, keep * averages.noise + noise, keep * averages.weight + 1.0
    )
    return _ratios(averages.signal, averages.noise, cosine, samples), averages


def moment_quality(
    moments: PyTree, samples: int, b1: float = 0.9, b2: float = 0.999
) -> GradientQuality:
    r"""What Adam's own moments say about the gradients it has seen: no extra pass, no extra memory.

    .. math:: E|\hat m|^2 = |\nabla J|^2 + k \operatorname{tr}\Sigma_b, \qquad
              E \sum_i \hat v_i = |\nabla J|^2 + \operatorname{tr}\Sigma_b, \qquad
              k = \frac{(1 - \beta_1)(1 - \beta_1^{2t})}{(1 + \beta_1)(1 - \beta_1^t)^2}

    solved for signal and noise, where :math:`\Sigma_b` is the covariance of one minibatch's
    gradient. Holds for independent minibatches and a gradient that changes slowly over 1/(1 - b1)
    of them. Minibatches of one batch, used again in every epoch, share that batch's error: what is
    called noise here is the noise within batches, a lower bound of the whole.

    The cosine is the one to be expected between the gradients of two halves of a minibatch.

    Args:
      moments: Adam's state, with `count`, `mu` and `nu`.
      samples: steps in a minibatch.
      b1: Adam's beta_1.
      b2: Adam's beta_2.
    """
    count = moments.count.astype(float)
    left = 1.0 - b1**count
    mean, second = ravel_pytree(moments.mu)[0], ravel_pytree(moments.nu)[0]
    known = moments.count > 1
    mean_square = jnp.sum(jnp.square(mean)) / jnp.where(known, left, 1.0) ** 2
    total = jnp.sum(second) / jnp.where(known, 1.0 - b2**count, 1.0)
    share = (1 - b1) / (1 + b1) * (1.0 - b1 ** (2 * count)) / jnp.where(known, left, 1.0) ** 2
    signal = (mean_square - share * total) / jnp.where(known, 1.0 - share, 1.0)
    noise = jnp.where(known, total - signal, jnp.nan)
    halved = signal + 2.0 * noise
    cosine = jnp.clip(
        jnp.where(halved > 0, signal / jnp.where(halved > 0, halved, 1.0), jnp.nan), -1, 1
    )
    return _ratios(signal, noise * samples, cosine, samples)


def _ratios(signal: Array, noise: Array, cosine: Array, samples: int) -> GradientQuality:
    """Ratios where they mean something: a signal below zero is one that was not seen."""
    seen = signal > 0
    noisy = noise > 0
    snr = jnp.where(
        noisy, samples * jnp.maximum(signal, 0.0) / jnp.where(noisy, noise, 1.0), jnp.nan
    )
    scale = jnp.where(seen, noise / jnp.where(seen, signal, 1.0), jnp.nan)
    return GradientQuality(snr, cosine, scale)


# Beyond these signal-to-noise ratios of a batch another batch size would serve better.
TOO_NOISY, TOO_CLEAN = 0.1, 30.0


def batch_advice(
    snr: float, noise_scale: float, samples: int, setting: str, *, bound: bool = False
) -> str | None:
    """One line when the batch is far from the noise scale, else None.

    Args:
      snr: of the batch's gradient, averaged over the last part of a run; NaN when unknown.
      noise_scale: B in samples; NaN or infinite when no signal was seen.
      samples: in the batch as it is.
      setting: the name of the setting to change.
      bound: whether snr is only an upper bound: then it cannot show that gradients are too clean.

    References:
      McCandlish et al. (2018), section 2.2: below B a larger batch saves iterations nearly in
      proportion, above it nearly nothing.
    """
    if not snr >= 0:
        return None
    if snr < TOO_NOISY:
        wanted = f"about {round_up(noise_scale):,}" if noise_scale < 1e9 else "far more"
        return (
            f"gradients were mostly noise at the end (signal-to-noise {snr:.2g}): if the returns "
            f"have stopped rising too early, raise {setting}={samples} towards {wanted}"
        )
    if snr > TOO_CLEAN and not bound:
        return (
            f"gradients were cleaner than they need be (signal-to-noise {snr:.2g}): a smaller "
            f"{setting} (now {samples}, noise scale about {round_up(noise_scale):,}) would get as "
            "far with fewer steps"
        )
    return None


def round_up(number: float) -> int:
    """To one significant digit, at least 1."""
    if not number > 1:
        return 1
    scale = 10 ** (len(str(int(number))) - 1)
    return int(-(-number // scale) * scale)
