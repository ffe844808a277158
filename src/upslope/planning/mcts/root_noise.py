"""Noise at the root of a search."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.annotations import Key


def with_root_noise(
    key: Key,
    logits: Float[Array, " A"],
    legal: Bool[Array, " A"],
    fraction: float | Array,
    alpha: float | Array,
) -> Float[Array, " A"]:
    r"""The logits of a prior with noise over the legal actions.

    .. math:: P(a) = (1 - \varepsilon) p(a) + \varepsilon \eta_a, \qquad
              \eta \sim \mathrm{Dir}(\alpha)

    The noise is of the legal actions alone, so that its share is epsilon however many actions are
    illegal. It belongs to the root: below it the search meets the prior as it is.

    Args:
      key: consumed.
      logits: of p, [A].
      legal: [A].
      fraction: epsilon.
      alpha: concentration; smaller is more uneven.

    References:
      Silver et al. (2017), "Mastering the Game of Go without Human Knowledge", methods.
    """
    prior = jax.nn.softmax(jnp.where(legal, logits, -jnp.inf))
    # A Dirichlet draw is gamma draws over their sum; in logs small alphas do not underflow.
    gammas = jax.random.loggamma(key, jnp.broadcast_to(alpha, logits.shape))
    noise = jax.nn.softmax(jnp.where(legal, gammas, -jnp.inf))
    mixed = (1.0 - fraction) * prior + fraction * noise
    least = jnp.finfo(logits.dtype).tiny
    return jnp.where(legal, jnp.log(jnp.maximum(mixed, least)), jnp.finfo(logits.dtype).min)
