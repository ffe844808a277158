"""Several independent choices at once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.annotations import Key
from upslope.core.distributions.categorical import Categorical
from upslope.core.distributions.distribution import Distribution


class MultiCategorical(Distribution):
    r"""K independent categorical factors, an int vector [K]; factor k has its own n_k choices.

    .. math:: p(a) = \prod_k p_k(a_k)

    Attributes:
      logits: a tuple of K arrays [n_k].
      mask: a tuple of K boolean arrays [n_k], or None where everything is allowed.

    Raises:
      UpslopeError: when a known mask forbids every choice of a factor.
    """

    logits: tuple[Float[Array, " _n"], ...]
    mask: tuple[Bool[Array, " _n"], ...] | None = None

    def __check_init__(self) -> None:
        if self.mask is not None:
            _ = self.factors

    @property
    def factors(self) -> tuple[Categorical, ...]:
        """The K factors."""
        masks = self.mask if self.mask is not None else (None,) * len(self.logits)
        return tuple(Categorical(h, m) for h, m in zip(self.logits, masks, strict=True))

    def sample(self, key: Key) -> Int[Array, " K"]:
        return self.from_noise(self.noise(key))

    def noise(self, key: Key) -> tuple[Float[Array, " _n"], ...]:
        keys = jax.random.split(key, len(self.logits))
        return tuple(f.noise(k) for f, k in zip(self.factors, keys, strict=True))

    def from_noise(self, noise: tuple[Float[Array, " _n"], ...]) -> Int[Array, " K"]:
        return jnp.stack([f.from_noise(n) for f, n in zip(self.factors, noise, strict=True)])

    def log_prob(self, value: Int[Array, " K"]) -> Float[Array, ""]:
        return sum_of([f.log_prob(value[k]) for k, f in enumerate(self.factors)])

    def entropy(self) -> Float[Array, ""]:
        return sum_of([f.entropy() for f in self.factors])

    def mode(self) -> Int[Array, " K"]:
        return jnp.stack([f.mode() for f in self.factors])

    def kl(self, other: MultiCategorical) -> Float[Array, ""]:
        return sum_of([f.kl(g) for f, g in zip(self.factors, other.factors, strict=True)])


def sum_of(terms: list[Float[Array, ""]]) -> Float[Array, ""]:
    """The sum of a non-empty list of scalars."""
    return jnp.sum(jnp.stack(terms))
