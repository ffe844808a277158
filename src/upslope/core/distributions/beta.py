"""The Beta distribution on a box."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import betaln, digamma
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.distributions.distribution import Distribution


class BetaInterval(Distribution):
    r"""Independent Beta variables stretched onto a box, of any shape [D].

    .. math:: p(x) = \prod_d \frac{z_d^{\alpha_d - 1} (1 - z_d)^{\beta_d - 1}}
                     {B(\alpha_d, \beta_d)\,(high_d - low_d)}, \quad
                     z = \frac{x - low}{high - low}

    Bounded by construction: no probability beyond the border and none piled up on it. Where
    rounding puts x on the border, the density of the nearest interior point is given.

    Attributes:
      concentration1: alpha [D], above 0.
      concentration0: beta [D], above 0.
      low: lower end of the box [D].
      high: upper end of the box [D].

    References:
      Chou, Maturana and Scherer (2017), section 4.
    """

    concentration1: Float[Array, "*shape"]
    concentration0: Float[Array, "*shape"]
    low: Float[Array, "*shape"]
    high: Float[Array, "*shape"]

    def sample(self, key: Key) -> Float[Array, "*shape"]:
        unit = jax.random.beta(key, self.concentration1, self.concentration0)
        return self._stretch(unit)

    def log_prob(self, value: Float[Array, "*shape"]) -> Float[Array, ""]:
        """log p(value); -inf outside of the box."""
        inside = jnp.all((value >= self.low) & (value <= self.high))
        unit = (value - self.low) / (self.high - self.low)
        eps = float(jnp.finfo(unit.dtype).eps)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        unit = jnp.clip(unit, eps, 1.0 - eps)
        a, b = self.concentration1, self.concentration0
        density = (a - 1.0) * jnp.log(unit) + (b - 1.0) * jnp.log1p(-unit) - betaln(a, b)
        return jnp.where(inside, jnp.sum(density - jnp.log(self.high - self.low)), -jnp.inf)

    def entropy(self) -> Float[Array, ""]:
        a, b = self.concentration1, self.concentration0
        unit = (
            betaln(a, b)
            - (a - 1.0) * digamma(a)
            - (b - 1.0) * digamma(b)
            + (a + b - 2.0) * digamma(a + b)
        )
        return jnp.sum(unit + jnp.log(self.high - self.low))

    def mode(self) -> Float[Array, "*shape"]:
        """Where the density is highest; the middle where it is flat or highest at both ends."""
        a, b = self.concentration1, self.concentration0
        peaked = (a > 1.0) & (b > 1.0)
        peak = (a - 1.0) / jnp.where(peaked, a + b - 2.0, 1.0)
        edge = jnp.where(a > b, 1.0, jnp.where(a < b, 0.0, 0.5))
        edge = jnp.where((a < 1.0) & (b < 1.0), 0.5, edge)
        return self._stretch(jnp.where(peaked, peak, edge))

    def kl(self, other: BetaInterval) -> Float[Array, ""]:
        """KL(self || other) for the same box, in closed form."""
        a, b = self.concentration1, self.concentration0
        c, d = other.concentration1, other.concentration0
        return jnp.sum(
            betaln(c, d)
            - betaln(a, b)
            + (a - c) * digamma(a)
            + (b - d) * digamma(b)
            + (c - a + d - b) * digamma(a + b)
        )

    def _stretch(self, unit: Array) -> Array:
        return jnp.clip(self.low + (self.high - self.low) * unit, self.low, self.high)
