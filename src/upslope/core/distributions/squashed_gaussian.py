"""The Gaussian squashed into a box by tanh."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.distributions.distribution import Distribution
from upslope.core.distributions.gaussian import DiagonalGaussian

QUADRATURE_NODES = 32


@functools.cache
def hermite_rule() -> tuple[np.ndarray, np.ndarray]:
    """Nodes [Q] and weights [Q] with which sum w f(z) approximates E f(z), z ~ N(0, 1)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_NODES)
    return nodes, weights / weights.sum()


class TanhGaussian(Distribution):
    r"""A Gaussian u squashed into a box, x = low + (high - low)(1 + tanh u)/2, of any shape [D].

    .. math:: \log p(x) = \log N(u; \mu, \sigma)
                          - \sum_d \log \tfrac{high_d - low_d}{2} (1 - \tanh^2 u_d)

    `log_prob` is exact in the interior. Within one rounding step of the border u cannot be
    recovered from x: there the density of the nearest interior point is given
    (`sample_and_log_prob` does not have to recover u and is exact everywhere).

    Attributes:
      mean: mu [D], of u.
      log_std: log sigma [D], of u.
      low: lower end of the box [D].
      high: upper end of the box [D].

    References:
      Haarnoja et al. (2018), appendix C.
    """

    mean: Float[Array, "*shape"]
    log_std: Float[Array, "*shape"]
    low: Float[Array, "*shape"]
    high: Float[Array, "*shape"]

    @property
    def base(self) -> DiagonalGaussian:
        """The distribution of u."""
        return DiagonalGaussian(self.mean, self.log_std)

    def sample(self, key: Key) -> Float[Array, "*shape"]:
        return self.from_noise(self.noise(key))

    def noise(self, key: Key) -> Float[Array, "*shape"]:
        return self.base.noise(key)

    def from_noise(self, noise: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self._squash(self.base.from_noise(noise))

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "*shape"], Float[Array, ""]]:
        """A reparameterised draw and its log density, exact however close to the border."""
        u = self.base.sample(key)
        return self._squash(u), self.base.log_prob(u) - jnp.sum(self._log_slope(u))

    def log_prob(self, value: Float[Array, "*shape"]) -> Float[Array, ""]:
        """log p(value); -inf outside of the box."""
        inside = jnp.all((value >= self.low) & (value <= self.high))
        unit = 2.0 * (value - self.low) / (self.high - self.low) - 1.0
        border = 1.0 - float(jnp.finfo(unit.dtype).eps)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        u = jnp.arctanh(jnp.clip(unit, -border, border))
        log_prob = self.base.log_prob(u) - jnp.sum(self._log_slope(u))
        return jnp.where(inside, log_prob, -jnp.inf)

    def entropy(self) -> Float[Array, ""]:
        r"""The Gaussian's entropy plus E[log|dx/du|], by Gauss-Hermite quadrature.

        Deterministic and differentiable. With 32 nodes the error per component is below 1e-7 nats
        for sigma up to 1, below 2e-4 up to 2, and below 0.1 up to e^2.
        """
        nodes, weights = hermite_rule()
        mean, std = self.mean.ravel(), jnp.exp(self.log_std).ravel()
        u = mean[:, None] + std[:, None] * jnp.asarray(nodes, mean.dtype)[None, :]
        expected = jnp.sum(log_sech_squared(u) @ jnp.asarray(weights, mean.dtype))
        return self.base.entropy() + expected + jnp.sum(jnp.log(0.5 * (self.high - self.low)))

    def mode(self) -> Float[Array, "*shape"]:
        """The squashed mean of u: the median of x.

        It is not where the density of x is highest (for sigma > 1/sqrt(2) that can be two
        points near the border), but what evaluation with this distribution always means.
        """
        return self._squash(self.mean)

    def kl(self, other: TanhGaussian) -> Float[Array, ""]:
        """KL(self || other) for the same box: that of the Gaussians, by invariance. Exact."""
        return self.base.kl(other.base)

    def _squash(self, u: Array) -> Array:
        x = self.low + 0.5 * (self.high - self.low) * (1.0 + jnp.tanh(u))
        return jnp.clip(x, self.low, self.high)

    def _log_slope(self, u: Array) -> Array:
        return jnp.log(0.5 * (self.high - self.low)) + log_sech_squared(u)


def log_sech_squared(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """log(1 - tanh(u)^2), finite for every finite u."""
    return 2.0 * (math.log(2.0) - u - jax.nn.softplus(-2.0 * u))
