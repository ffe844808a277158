"""One of A things, by their logits, some of them forbidden."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Bool, Float, Int

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.distributions.distribution import Distribution


class Categorical(Distribution):
    r"""The softmax distribution over A actions, an int scalar in 0..A-1.

    .. math:: p(a) = \frac{m_a e^{h_a}}{\sum_b m_b e^{h_b}}

    Unchanged by adding a constant to all logits, and free of overflow at any finite logits.
    A masked action has probability exactly 0 and takes no gradient.

    Attributes:
      logits: h [A].
      mask: m, booleans [A], True where the action is allowed; None allows every action.

    Raises:
      UpslopeError: when the mask is known (not traced) and forbids every action.

    References:
      Sutton and Barto (2018), equation 13.2; Huang and Ontanon (2022) for the mask.
    """

    logits: Float[Array, " A"]
    mask: Bool[Array, " A"] | None = eqx.field(default=None)

    def __check_init__(self) -> None:
        mask = self.mask
        if mask is None or isinstance(mask, Tracer):
            return
        if jnp.shape(mask) != jnp.shape(self.logits):
            raise UpslopeError(
                f"Categorical got a mask of shape {jnp.shape(mask)} for logits of shape "
                f"{jnp.shape(self.logits)}: give one boolean for each action."
            )
        if not np.all(np.any(np.asarray(mask), axis=-1)):
            raise UpslopeError(
                "Categorical got a mask that forbids every action: at least one entry must be True."
            )

    @property
    def log_probs(self) -> Float[Array, " A"]:
        """log p of every action [A]; -inf where masked."""
        logits = self.logits
        if self.mask is not None:
            logits = jnp.where(self.mask, logits, -jnp.inf)
        return jax.nn.log_softmax(logits)

    @property
    def probs(self) -> Float[Array, " A"]:
        """p of every action [A]."""
        return jnp.exp(self.log_probs)

    def sample(self, key: Key) -> Int[Array, ""]:
        """One action, by the Gumbel-max trick. The key is consumed."""
        return self.from_noise(self.noise(key))

    def noise(self, key: Key) -> Float[Array, " A"]:
        return jax.random.gumbel(key, self.logits.shape, self.logits.dtype)

    def from_noise(self, noise: Float[Array, " A"]) -> Int[Array, ""]:
        noisy = self.logits + noise
        if self.mask is not None:
            noisy = jnp.where(self.mask, noisy, -jnp.inf)
        return jnp.argmax(noisy, axis=-1)

    def log_prob(self, value: Int[Array, ""]) -> Float[Array, ""]:
        """log p(value); -inf for a masked action and for what is not in 0..A-1."""
        log_probs = self.log_probs
        # A comparison instead of an index: its gradient is a select, not a scatter.
        chosen = jnp.arange(log_probs.shape[-1]) == value
        return jnp.where(jnp.any(chosen), jnp.sum(jnp.where(chosen, log_probs, 0.0)), -jnp.inf)

    def entropy(self) -> Float[Array, ""]:
        """-sum p log p in nats, with 0 log 0 = 0."""
        log_probs = self.log_probs
        probs = jnp.exp(log_probs)
        return -jnp.sum(probs * jnp.where(probs > 0, log_probs, 0.0))

    def mode(self) -> Int[Array, ""]:
        """The most probable action, the first of equals."""
        logits = self.logits
        if self.mask is not None:
            logits = jnp.where(self.mask, logits, -jnp.inf)
        return jnp.argmax(logits, axis=-1)

    def kl(self, other: Categorical) -> Float[Array, ""]:
        """KL(self || other) in nats; infinite when `other` forbids what `self` may do."""
        here, there = self.log_probs, other.log_probs
        probs = jnp.exp(here)
        possible = probs > 0
        difference = jnp.where(possible, here, 0.0) - jnp.where(possible, there, 0.0)
        return jnp.sum(probs * difference)
