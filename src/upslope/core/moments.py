"""Running mean and variance of what a policy has seen."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array


class Moments(eqx.Module):
    r"""Count, mean and sum of squared deviations of a stream, merged exactly.

    .. math:: M_{AB} = M_A + M_B + \delta^2 \frac{n_A n_B}{n_A + n_B},
              \quad \delta = \bar x_B - \bar x_A

    The result does not depend on how the stream was cut into batches (up to rounding).

    Attributes:
      count: number of samples seen, a float scalar.
      mean: [...], one per component.
      squares: [...], the sum of squared deviations from the mean.

    References:
      Chan, Golub and LeVeque (1983), equations 2.1.
    """

    count: Array
    mean: Array
    squares: Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Moments:
        """Moments of no samples at all."""
        return cls(jnp.zeros(()), jnp.zeros(shape), jnp.zeros(shape))

    @classmethod
    def of(cls, samples: Array, valid: Array | None = None) -> Moments:
        """Moments of a batch.

        Args:
          samples: [B..., ...] where the leading axes are those of `valid` (all but the last shape
            of one sample); without `valid` there is one leading axis.
          valid: booleans [B...]; False entries do not count.
        """
        if not jnp.issubdtype(samples.dtype, jnp.floating):
            samples = samples.astype(float)
        if valid is None:
            valid = jnp.ones(samples.shape[:1], bool)
        lead = tuple(range(valid.ndim))
        weight = valid.astype(samples.dtype)
        spread = weight.reshape(weight.shape + (1,) * (samples.ndim - weight.ndim))
        count = jnp.sum(weight)
        samples = jnp.where(spread > 0, samples, 0.0)  # what does not count may be infinite
        mean = jnp.sum(samples, axis=lead) / jnp.maximum(count, 1.0)
        centre = jnp.expand_dims(mean, lead)
        squares = jnp.sum(spread * jnp.square(samples - centre), axis=lead)
        return cls(count, mean, squares)

    def merge(self, other: Moments) -> Moments:
        """Moments of both streams together."""
        count = self.count + other.count
        safe = jnp.maximum(count, 1.0)
        delta = other.mean - self.mean
        mean = self.mean + delta * other.count / safe
        squares = self.squares + other.squares + delta**2 * self.count * other.count / safe
        return Moments(count, mean, squares)

    def together(self) -> Moments:
        """Moments of P streams, leaves [P, ...], together; in one order whatever made them."""
        total = jnp.sum(self.count)
        spread = self.count.reshape(-1, *(1,) * (self.mean.ndim - 1))
        mean = jnp.sum(spread * self.mean, axis=0) / jnp.maximum(total, 1.0)
        apart = spread * jnp.square(self.mean - mean[None])
        return Moments(total, mean, jnp.sum(self.squares + apart, axis=0))

    @property
    def variance(self) -> Array:
        """The population variance [...]; 1 where fewer than two samples have been seen."""
        return jnp.where(self.count > 1.0, self.squares / jnp.maximum(self.count, 1.0), 1.0)

    def normalize(self, sample: Array, clip: float = 10.0) -> Array:
        """(sample - mean) / std, clipped; no gradient flows into the moments."""
        frozen = jax.lax.stop_gradient(self)
        scaled = (sample - frozen.mean) * jax.lax.rsqrt(frozen.variance + 1e-8)
        return jnp.clip(scaled, -clip, clip)
