"""Independent switches."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.distributions.distribution import Distribution


class Bernoulli(Distribution):
    r"""Independent Bernoulli variables, int8 of any shape [K].

    .. math:: p(x) = \prod_k P_k^{x_k} (1 - P_k)^{1 - x_k}, \quad P_k = \frac{1}{1 + e^{-h_k}}

    The score with respect to the logits is x - P.

    Attributes:
      logits: h [K].

    References:
      Williams (1992), section 4; Sutton and Barto (2018), exercise 13.5.
    """

    logits: Array

    @property
    def probs(self) -> Array:
        """P [K]."""
        return jax.nn.sigmoid(self.logits)

    def sample(self, key: Array) -> Array:
        return self.from_noise(self.noise(key))

    def noise(self, key: Array) -> Array:
        return jax.random.uniform(key, self.logits.shape, self.logits.dtype)

    def from_noise(self, noise: Array) -> Array:
        return (noise < self.probs).astype(jnp.int8)

    def log_prob(self, value: Array) -> Array:
        """log p(value); -inf unless every component is 0 or 1."""
        on = value == 1
        legal = jnp.all(on | (value == 0))
        log_prob = -jnp.sum(jax.nn.softplus(jnp.where(on, -self.logits, self.logits)))
        return jnp.where(legal, log_prob, -jnp.inf)

    def entropy(self) -> Array:
        h, p = self.logits, self.probs
        return jnp.sum(p * jax.nn.softplus(-h) + (1.0 - p) * jax.nn.softplus(h))

    def mode(self) -> Array:
        """1 where P > 1/2."""
        return (self.logits > 0).astype(jnp.int8)

    def kl(self, other: Bernoulli) -> Array:
        h, g, p = self.logits, other.logits, self.probs
        on = jax.nn.softplus(-g) - jax.nn.softplus(-h)
        off = jax.nn.softplus(g) - jax.nn.softplus(h)
        return jnp.sum(p * on + (1.0 - p) * off)
