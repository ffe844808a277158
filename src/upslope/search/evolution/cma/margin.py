"""Whole numbers among the parameters of CMA-ES: a margin keeps their neighbours in reach."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtr, ndtri

SMALLEST = 1e-10  # probability that a margin is set for


class IntegerLattice(eqx.Module):
    """Which of D parameters are whole numbers, and between which.

    Attributes:
      which: [D] booleans.
      low: [D], smallest whole number of a parameter; -inf for none.
      high: [D], largest.
    """

    which: Array
    low: Array
    high: Array

    def rounded(self, theta: Array) -> Array:
        """theta [D] with its whole numbers rounded, and kept between their limits."""
        whole = jnp.clip(jnp.round(theta), self.low, self.high)
        whole = jnp.where(whole == 0, 0.0, whole)  # no negative zero
        return jnp.where(self.which, whole, theta)

    def thresholds(self, mean: Array) -> tuple[Array, Array]:
        """Between which two half-integers [D] the mean's own whole numbers are rounded from.

        At the first or last whole number both are the threshold towards its only neighbour.
        """
        own = jnp.clip(jnp.round(mean), self.low, self.high)
        first, last = self.low + 0.5, self.high - 0.5
        return jnp.clip(own - 0.5, first, last), jnp.clip(own + 0.5, first, last)


def with_margin(
    lattice: IntegerLattice, mean: Array, scale: Array, stds: Array, margin: float | Array
) -> tuple[Array, Array]:
    r"""The mean and the scales A that leave each neighbouring whole number its probability.

    Candidates are :math:`v = m + A (x - m)` with :math:`x \sim \mathcal N(m, \sigma^2 C)`, rounded.
    A whole number whose variance has shrunk is rounded to the same value for ever. So m and A are
    moved such that

    .. math:: \Pr(v_j \le \ell_j^\text{low}) \ge \alpha / 2, \qquad
              \Pr(v_j > \ell_j^\text{up}) \ge \alpha / 2,

    with the thresholds on either side of :math:`m_j`; where that is the first or last whole number
    the mean is moved to within a distance at which its only neighbour has probability alpha.

    Args:
      lattice: the whole numbers.
      mean: m [D].
      scale: A [D].
      stds: sigma sqrt(C_jj) [D].
      margin: alpha.

    References:
      Hamano, Saito, Nomura and Shirakawa (2022), "CMA-ES with margin", algorithm 1 and equations 9
      to 17.
    """
    low, high = lattice.thresholds(mean)
    wide = scale * stds
    below, above = ndtr((low - mean) / wide), ndtr((mean - high) / wide)
    between = 1 - below - above

    at_end = jnp.maximum(below, above) > 0.5
    far = jnp.minimum(below, above) < margin
    nearest = high + jnp.sign(mean - high) * wide * -ndtri(jnp.asarray(margin, mean.dtype))
    mean_at_end = jnp.where(far, nearest, mean)

    raised_below, raised_above = (jnp.maximum(p, margin / 2) for p in (below, above))
    excess = 1 - raised_below - raised_above - between
    share = excess / (raised_below + between + raised_above - 1.5 * margin)
    quantiles = [
        -ndtri(jnp.clip(p + share * (p - margin / 2), SMALLEST, 0.5 - SMALLEST))
        for p in (raised_below, raised_above)
    ]
    together = quantiles[0] + quantiles[1]
    between_mean = (low * quantiles[1] + high * quantiles[0]) / together
    between_scale = (high - low) / (together * stds)

    whole, inner = lattice.which, lattice.which & ~at_end
    moved = jnp.where(inner, between_mean, jnp.where(whole, mean_at_end, mean))
    return moved, jnp.where(inner, between_scale, scale)
