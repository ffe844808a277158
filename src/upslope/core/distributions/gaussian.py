"""The Gaussian with independent components."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.distributions.distribution import Distribution

LOG_SQRT_TAU = 0.5 * math.log(2.0 * math.pi)


class DiagonalGaussian(Distribution):
    r"""Independent normal components, of any shape [D].

    .. math:: p(x) = \prod_d \frac{1}{\sigma_d \sqrt{2\pi}}
                     \exp\Big(-\frac{(x_d - \mu_d)^2}{2 \sigma_d^2}\Big)

    The scores are :math:`(x - \mu) / \sigma^2` in the mean and
    :math:`(x - \mu)^2 / \sigma^2 - 1` in the log standard deviation. Samples are reparameterised:
    gradients flow through them.

    Attributes:
      mean: mu [D].
      log_std: log sigma [D].

    References:
      Sutton and Barto (2018), equation 13.19 and exercise 13.4; Williams (1992), section 6.
    """

    mean: Float[Array, "*shape"]
    log_std: Float[Array, "*shape"]

    @property
    def std(self) -> Float[Array, "*shape"]:
        """sigma [D]."""
        return jnp.exp(self.log_std)

    def sample(self, key: Key) -> Float[Array, "*shape"]:
        return self.from_noise(self.noise(key))

    def noise(self, key: Key) -> Float[Array, "*shape"]:
        return jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def from_noise(self, noise: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.mean + self.std * noise

    def log_prob(self, value: Float[Array, "*shape"]) -> Float[Array, ""]:
        deviation = (value - self.mean) * jnp.exp(-self.log_std)
        return -jnp.sum(0.5 * jnp.square(deviation) + self.log_std + LOG_SQRT_TAU)

    def entropy(self) -> Float[Array, ""]:
        return jnp.sum(self.log_std + (0.5 + LOG_SQRT_TAU))

    def mode(self) -> Float[Array, "*shape"]:
        return self.mean

    def kl(self, other: DiagonalGaussian) -> Float[Array, ""]:
        shift = (self.mean - other.mean) * jnp.exp(-other.log_std)
        ratio = self.log_std - other.log_std
        # expm1(2r) - 2r keeps its digits when the two scales are close.
        return 0.5 * jnp.sum(jnp.square(shift) + jnp.expm1(2.0 * ratio) - 2.0 * ratio)
