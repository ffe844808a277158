"""Independent switches."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int8, Num

from upslope.core.annotations import Key
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

    logits: Float[Array, "*shape"]

    @property
    def probs(self) -> Float[Array, "*shape"]:
        """P [K]."""
        return jax.nn.sigmoid(self.logits)

    def sample(self, key: Key) -> Int8[Array, "*shape"]:
        return self.from_noise(self.noise(key))

    def noise(self, key: Key) -> Float[Array, "*shape"]:
        return jax.random.uniform(key, self.logits.shape, self.logits.dtype)

    def from_noise(self, noise: Float[Array, "*shape"]) -> Int8[Array, "*shape"]:
        return (noise < self.probs).astype(jnp.int8)

    def log_prob(self, value: Num[Array, "*shape"]) -> Float[Array, ""]:
        """log p(value); -inf unless every component is 0 or 1."""
        on = value == 1
        legal = jnp.all(on | (value == 0))
        log_prob = -jnp.sum(jax.nn.softplus(jnp.where(on, -self.logits, self.logits)))
        return jnp.where(legal, log_prob, -jnp.inf)

    def entropy(self) -> Float[Array, ""]:
        h, p = self.logits, self.probs
        return jnp.sum(p * jax.nn.softplus(-h) + (1.0 - p) * jax.nn.softplus(h))

    def mode(self) -> Int8[Array, "*shape"]:
        """1 where P > 1/2."""
        return (self.logits > 0).astype(jnp.int8)

    def kl(self, other: Bernoulli) -> Float[Array, ""]:
        h, g, p = self.logits, other.logits, self.probs
        on = jax.nn.softplus(-g) - jax.nn.softplus(-h)
        off = jax.nn.softplus(g) - jax.nn.softplus(h)
        return jnp.sum(p * on + (1.0 - p) * off)
