"""Discrete draws as rounded continuous ones, and the continuous ones given the rounded."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.core.distributions import Bernoulli, Categorical
from upslope.estimators.expectation.density import DistributionLike

Relaxable = Bernoulli | Categorical


def relaxable(owner: str, distribution: DistributionLike) -> Relaxable:
    """The distribution; raises unless it is Bernoulli or categorical."""
    if not isinstance(distribution, Bernoulli | Categorical):
        raise UpslopeError(
            f"{owner} got a {type(distribution).__name__}: it relaxes Bernoulli and Categorical "
            "distributions alone. Use ScoreFunction, or Pathwise for a continuous one."
        )
    return distribution


def inside(u: Array) -> Array:
    """u moved into the open interval (0, 1), so that no logarithm is infinite."""
    eps = float(jnp.finfo(u.dtype).eps)
    return jnp.clip(u, eps / 4, 1.0 - eps / 2)


def relaxation_noise(key: Array, distribution: Relaxable) -> Array:
    """Uniform noise [K] for one draw; the key is consumed."""
    shape, dtype = distribution.logits.shape, distribution.logits.dtype
    return inside(jax.random.uniform(key, shape, dtype))


def relaxed(distribution: Relaxable, u: Array) -> Array:
    r"""z(theta), [K]: a Bernoulli draw is z > 0, a categorical one argmax z.

    .. math:: z = h + \log \frac{u}{1-u}, \qquad z = \log p - \log(-\log u)
    """
    if isinstance(distribution, Bernoulli):
        return distribution.logits + jnp.log(u) - jnp.log1p(-u)
    return distribution.log_probs - jnp.log(-jnp.log(u))


def rounded(distribution: Relaxable, z: Array) -> Array:
    """b, the discrete draw that z stands for; no gradient flows through it."""
    if isinstance(distribution, Bernoulli):
        return jax.lax.stop_gradient((z > 0).astype(jnp.int8))
    return jax.lax.stop_gradient(jnp.argmax(z, axis=-1))


def coupled(distribution: Relaxable, u: Array, b: Array) -> Array:
    r"""The noise v [K] with which `relaxed_given` gives z itself.

    Given b it is uniform, so that it may stand for a fresh draw; being common to both relaxations
    it takes most of the variance out of their difference. No gradient flows through it.

    References:
      Tucker et al. (2017), section 3 and appendix, "coupled" sampling.
    """
    if isinstance(distribution, Bernoulli):
        p, q = distribution.probs, jax.nn.sigmoid(-distribution.logits)
        v = jnp.where(b == 1, (u - q) / p, u / q)
    else:
        wait = -jnp.log(u) * jnp.exp(-distribution.log_probs)  # exp(-z)
        first = jnp.min(wait)
        chosen = jnp.arange(u.shape[-1]) == b
        others = jnp.exp(-distribution.probs * (wait - first))
        v = jnp.where(chosen, jnp.exp(-first), others)
    return jax.lax.stop_gradient(inside(v))


def relaxed_given(distribution: Relaxable, v: Array, b: Array) -> Array:
    r"""z from its distribution given b, [K], a differentiable function of theta at fixed b and v.

    For a Bernoulli the noise is :math:`1 - P + v P` if b = 1 and :math:`v (1 - P)` if b = 0; for a
    categorical :math:`\tilde z_b = -\log(-\log v_b)`, and the others
    :math:`\tilde z_i = -\log(-\log v_i / p_i - \log v_b)`.

    References:
      Tucker et al. (2017), appendix; Grathwohl et al. (2018), appendix B.
    """
    if isinstance(distribution, Bernoulli):
        p, q = distribution.probs, jax.nn.sigmoid(-distribution.logits)
        low = jnp.where(b == 1, q + v * p, v * q)
        high = jnp.where(b == 1, (1.0 - v) * p, p + (1.0 - v) * q)  # 1 - low, without cancellation
        return distribution.logits + jnp.log(low) - jnp.log(high)
    chosen = jnp.arange(v.shape[-1]) == b
    wait = -jnp.log(v)
    best = jnp.sum(jnp.where(chosen, wait, 0.0))
    others = jnp.where(chosen, 0.0, wait * jnp.exp(-distribution.log_probs))
    return -jnp.log(others + best)
