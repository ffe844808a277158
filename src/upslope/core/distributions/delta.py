"""All probability on one action."""

from __future__ import annotations

from typing import NoReturn

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Shaped

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.distributions.distribution import Distribution


class Deterministic(Distribution):
    """The one-point distribution of a deterministic policy, for gradient-free search and planning.

    It has no score, so no score-function method can climb it; that is an error, not a zero.

    Attributes:
      value: the action, of any shape and type.
    """

    value: Shaped[Array, "*shape"]

    def sample(self, key: Key) -> Shaped[Array, "*shape"]:
        return self.value

    def noise(self, key: Key) -> tuple[()]:
        """Nothing: every draw is the value."""
        return ()

    def from_noise(self, noise: tuple[()]) -> Shaped[Array, "*shape"]:
        return self.value

    def log_prob(self, value: Shaped[Array, "*shape"]) -> NoReturn:
        """Undefined.

        Raises:
          UpslopeError: always.
        """
        raise _no_score("log_prob")

    def entropy(self) -> Float[Array, ""]:
        """0 for a discrete action, -inf for a continuous one."""
        discrete = not jnp.issubdtype(self.value.dtype, jnp.floating)
        return jnp.asarray(0.0 if discrete else -jnp.inf)

    def mode(self) -> Shaped[Array, "*shape"]:
        return self.value

    def kl(self, other: Deterministic) -> NoReturn:
        """Undefined.

        Raises:
          UpslopeError: always.
        """
        raise _no_score("kl")


def _no_score(what: str) -> UpslopeError:
    return UpslopeError(
        f"A deterministic policy has no {what}: its score is undefined. Use a gradient-free method "
        "(the cross-entropy method, an evolution strategy), or a stochastic policy (softmax, "
        "gaussian)."
    )
