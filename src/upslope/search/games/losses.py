"""The loss of a network with two heads: what to play, and who wins."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float


def policy_loss(
    logits: Float[Array, "*batch A"],
    legal: Bool[Array, "*batch A"] | None,
    target: Float[Array, "*batch A"],
) -> Float[Array, "*batch"]:
    r"""The cross-entropy of the search's policy and the network's.

    .. math:: -\sum_a \pi(a) \ln p(a), \qquad p = \mathrm{softmax}(h \text{ where legal})

    Illegal actions leave before the softmax: they have no probability to give back and no gradient.
    With respect to the logits the gradient is p - pi where legal.

    Args:
      logits: h, [..., A].
      legal: [..., A]; None for all of them.
      target: pi, [..., A], zero where illegal.
    """
    if legal is not None:
        logits = jnp.where(legal, logits, -jnp.inf)
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    return -jnp.sum(target * jnp.where(target > 0, log_probs, 0.0), axis=-1)


def value_loss(value: Float[Array, "*batch"], target: Float[Array, "*batch"]) -> Array:
    """(z - v)^2, elementwise."""
    return jnp.square(target - value)


def weight_penalty(theta: Float[Array, " D"], coefficient: float | Array) -> Float[Array, ""]:
    """c |theta|^2."""
    return coefficient * jnp.sum(jnp.square(theta))


def entropy(
    logits: Float[Array, "*batch A"], legal: Bool[Array, "*batch A"] | None
) -> Float[Array, "*batch"]:
    """-sum p ln p of the network's policy over the legal actions, in nats."""
    if legal is not None:
        logits = jnp.where(legal, logits, -jnp.inf)
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    probs = jnp.exp(log_probs)
    return -jnp.sum(probs * jnp.where(probs > 0, log_probs, 0.0), axis=-1)
