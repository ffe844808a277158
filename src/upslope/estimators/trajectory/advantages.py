"""Advantages from a value function."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def generalized_advantages(
    reward: Array,
    value: Array,
    next_value: Array,
    terminated: Array,
    ended: Array,
    discount: float | Array,
    gae_lambda: float | Array,
) -> Array:
    r"""Generalised advantage estimates along one or more streams.

    .. math:: \delta_t = r_t + \gamma (1 - \text{terminated}_t) V(s_{t+1}) - V(s_t), \qquad
              A_t = \delta_t + \gamma \lambda (1 - \text{ended}_t) A_{t+1}

    A truncated step bootstraps from its true successor and a terminated one does not; neither
    lets a later episode leak into an earlier one. lambda = 0 gives the TD error, lambda = 1 the
    Monte Carlo return minus the value.

    Args:
      reward: [T, ...].
      value: [T, ...], V(s_t).
      next_value: [T, ...], V of the true successor, before any reset.
      terminated: booleans [T, ...]; the process ended.
      ended: booleans [T, ...]; terminated or truncated.
      discount: gamma, a number or one per step [T, ...].
      gae_lambda: lambda.

    Returns:
      A_t, [T, ...].

    References:
      Schulman et al. (2016), equation 16.
    """
    delta = reward + discount * jnp.where(terminated, 0.0, next_value) - value
    decay = discount * gae_lambda * jnp.where(ended, 0.0, 1.0)

    def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, decay = now
        advantage = delta + decay * later
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros_like(delta[0]), (delta, decay), reverse=True)[1]
