"""Weights that make samples of one distribution speak for another, in log space."""

from __future__ import annotations

import math
import warnings
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, check_choice, check_number

Weighting = Literal["ordinary", "self-normalized", "clipped"]
WEIGHTINGS = ("ordinary", "self-normalized", "clipped")
HEAVY_TAIL = 0.7  # beyond 0.5, where the variance becomes infinite, by the fit's own scatter
DOMINANT = 0.1  # share of the largest squared weight, which vanishes where the variance is finite
FEW = 10.0  # effective samples below which no estimate is trusted


class ImportanceWeightWarning(UserWarning):
    """The weights' variance looks infinite, or nearly all weight lies on a few samples."""


class ImportanceEstimate(NamedTuple):
    """An estimate of E_p[f] from samples of q, and how far it can be trusted."""

    value: Array  # scalar
    standard_error: Array  # scalar; itself unreliable when the tail is heavy
    effective_sample_size: Array  # scalar in [1, N]


def normalized_weights(
    log_weight: Array, weighting: Weighting = "ordinary", clip: float | Array = math.inf
) -> Array:
    r"""Weights u_i with which :math:`\sum_i u_i f(x_i)` estimates E_p[f], [N].

    .. math:: u_i = \frac{w_i}{N}, \qquad u_i = \frac{w_i}{\sum_j w_j}, \qquad
              u_i = \frac{\min(w_i, c)}{N}, \qquad w_i = \frac{p(x_i)}{q(x_i)}

    Ordinary ones are unbiased; self-normalised ones biased by O(1/N) and consistent; clipped ones
    biased by what was cut off, of bounded variance. Nothing overflows on the way: an infinite
    result means that the number itself is beyond floating point.

    Args:
      log_weight: log w_i, [N]; -inf where p(x_i) = 0.
      weighting: `"ordinary"`, `"self-normalized"` or `"clipped"`.
      clip: c, for clipped weights.

    References:
      Owen (2013), chapter 9; Ionides (2008) for clipping.
    """
    check_choice("normalized_weights", "weighting", weighting, WEIGHTINGS)
    count = log_weight.shape[0]
    if weighting == "self-normalized":
        return jax.nn.softmax(log_weight)
    if weighting == "clipped":
        log_weight = jnp.minimum(log_weight, jnp.log(clip))
    return jnp.exp(log_weight - math.log(count))


def effective_sample_size(log_weight: Array) -> Array:
    r"""How many samples of p the weighted ones are worth, a scalar in [1, N].

    .. math:: \frac{(\sum_i w_i)^2}{\sum_i w_i^2}

    References:
      Kong (1992); Owen (2013), equation 9.13.
    """
    u = jax.nn.softmax(log_weight)
    return jnp.clip(1.0 / jnp.sum(jnp.square(u)), 1.0, log_weight.shape[0])


def importance_estimate(
    log_weight: Array,
    values: Array,
    weighting: Weighting = "ordinary",
    clip: float | Array = math.inf,
) -> ImportanceEstimate:
    r"""E_p[f] from samples of q.

    Outside of jit the weights are looked at, and an `ImportanceWeightWarning` says when they cannot
    be trusted.

    Args:
      log_weight: log p(x_i) - log q(x_i), [N].
      values: f(x_i), [N].
      weighting: see `normalized_weights`.
      clip: see `normalized_weights`.

    Raises:
      UpslopeError: when there are no weights, when one is NaN or +inf (q gave its own sample
        probability zero), or all are zero; values of another shape; a clip that is not positive.
    """
    log_weight, values = jnp.asarray(log_weight), jnp.asarray(values)
    if log_weight.ndim != 1 or values.shape != log_weight.shape:
        raise UpslopeError(
            f"importance_estimate got log weights of shape {log_weight.shape} and values of shape "
            f"{values.shape}: both must be [N], a weight and a value for each sample."
        )
    if not (isinstance(clip, float) and clip == math.inf):
        check_number("importance_estimate", "clip", clip, above=0)
    check_weights("importance_estimate", log_weight)
    u = normalized_weights(log_weight, weighting, clip)
    summands = jnp.where(u > 0, u * values, 0.0)
    value = jnp.sum(summands)
    count = u.shape[0]
    if weighting == "self-normalized":
        error = jnp.sqrt(jnp.sum(jnp.square(jnp.where(u > 0, u * (values - value), 0.0))))
    else:
        error = jnp.sqrt(jnp.sum(jnp.square(summands - value / count)) * count / max(count - 1, 1))
    return ImportanceEstimate(value, error, effective_sample_size(log_weight))


def tail_index(log_weight: Array | np.ndarray) -> float:
    r"""The shape k of the generalised Pareto distribution fitted to the largest weights.

    Moments of order 1/k and above are infinite: k >= 1/2 means infinite variance, k >= 1 no mean.
    Host side. NaN with fewer than 25 weights, or when the largest are all equal.

    References:
      Zhang and Stephens (2009); Vehtari et al. (2024), "Pareto smoothed importance sampling",
      section 2.3 and appendix.
    """
    log_weight = np.sort(np.asarray(log_weight, np.float64))
    count = len(log_weight)
    size = min(count // 5, math.ceil(3.0 * math.sqrt(count)))
    if size < 5:
        return math.nan
    weight = np.exp(log_weight - log_weight[-1])
    excess = weight[-size:] - weight[-size - 1]
    excess = excess[excess > 0]
    size = len(excess)
    if size < 5:
        return math.nan
    grid = 30 + int(math.sqrt(size))
    quartile = excess[int(size / 4 + 0.5) - 1]
    b = (1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3.0 * quartile) + 1.0 / excess[-1]
    k = np.mean(np.log1p(-b[:, None] * excess), axis=1)
    profile = size * (np.log(-b / k) - k - 1.0)
    posterior = 1.0 / np.sum(np.exp(profile[None, :] - profile[:, None]), axis=1)
    b_mean = float(np.sum(b * posterior) / np.sum(posterior))
    shape = float(np.mean(np.log1p(-b_mean * excess)))
    return (size * shape + 10 * 0.5) / (size + 10)  # the weak prior of Vehtari et al.


def check_weights(owner: str, log_weight: Array) -> None:
    """Raises for weights that are none, and warns of those that cannot be trusted.

    Two looks at the tail: its fitted index, and the share of the largest in the sum of squared
    weights, which also tells for weights that take few different values. Traced weights pass: their
    numbers are not known yet.

    References:
      Embrechts, Klueppelberg and Mikosch (1997), section 6.2.6, for the ratio of maximum and sum.
    """
    check_number(owner, "number of weights", log_weight.shape[0], at_least=1, integer=True)
    if isinstance(log_weight, jax.core.Tracer):
        return
    host = np.asarray(log_weight)
    bad = ~(host < np.inf)
    if bad.any():
        raise UpslopeError(
            f"{owner}: {int(bad.sum())} of {host.size} importance weights are not finite, the "
            f"first is number {int(np.argmax(bad))}: the proposal gives probability zero to a "
            "sample of its own. It must cover whatever the target can draw."
        )
    if not np.isfinite(host).any():
        raise UpslopeError(
            f"{owner}: the target gives probability zero to all {host.size} samples of the "
            "proposal: nothing can be learned of it from them. Use a nearer proposal."
        )
    effective = float(effective_sample_size(log_weight))
    k = tail_index(host)
    square = np.exp(2.0 * (host.astype(np.float64) - host.max()))
    heavy = k > HEAVY_TAIL or (host.size >= 50 and 1.0 / square.sum() > DOMINANT)
    if effective < min(FEW, 0.5 * host.size) or heavy:
        tail = "" if math.isnan(k) else f", tail index {k:.2f}"
        variance = "their variance looks infinite" if heavy else "nearly all weight is on a few"
        warnings.warn(
            f"{owner}: the {host.size} importance weights are worth {effective:.1f} samples"
            f"{tail}: {variance}. Use a nearer proposal, or weighting='clipped'.",
            ImportanceWeightWarning,
            stacklevel=3,
        )
