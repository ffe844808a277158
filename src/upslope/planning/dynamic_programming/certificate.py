"""How far values are from the optimal ones, told by one backup of them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.planning.dynamic_programming.backup import Backup

# Half the distance from 1 to the next number, in double precision.
UNIT = 2.0**-53


class Certificate(NamedTuple):
    """Values, between what they can be at least and at most."""

    values: Float[Array, " S"]
    action_values: Float[Array, "S A"]
    policy: Int[Array, " S"]
    bound: Float[Array, ""]


def rounding(backup: Backup, values: Array, gamma: float | Array) -> Array:
    r"""The most that rounding can do to an entry of a backup in double precision, scalar.

    .. math:: (n + 6) \, u \, (\max |R| + \gamma \max |v|)

    for n successors, whatever the order of the sum; u is the unit roundoff.

    References:
      Higham (2002), section 3.1.
    """
    size = jnp.max(jnp.abs(backup.reward)) + gamma * jnp.max(jnp.abs(values))
    return (backup.n_terms + 6) * UNIT * size


def acting(
    action_values: Float[Array, "S A"], policy: Int[Array, " S"] | None, error: Array
) -> tuple[Int[Array, " S"], Float[Array, " S"]]:
    """A policy and its action values; where none is given the first of the best actions.

    Actions that rounding cannot tell apart are equally good.
    """
    if policy is None:
        best = jnp.max(action_values, axis=1, keepdims=True)
        policy = jnp.argmax(action_values >= best - 2.0 * error, axis=1)
    acted = jnp.take_along_axis(action_values, policy[:, None], axis=1)[:, 0]
    return policy.astype(jnp.int32), acted


@jax.jit
def discounted_certificate(
    backup: Backup,
    values: Float[Array, " S"],
    policy: Int[Array, " S"] | None,
    gamma: float | Array,
) -> Certificate:
    r"""The interval in which v* and the value of a policy lie, by one backup.

    .. math:: q^\pi + \frac{\gamma}{1 - \gamma} \min_s (q^\pi - v)(s) \;\le\; v_\pi \;\le\; v_*
              \;\le\; T v + \frac{\gamma}{1 - \gamma} \max_s (T v - v)(s)

    with q^pi the action values of v at the policy's actions. Adding a constant to v changes
    nothing: the width is the span of T v - v for a greedy policy. The values are the middle of the
    outermost pair of bounds; rounding is part of them.

    Args:
      backup: in double precision.
      values: v [S].
      policy: an action for each state [S]; None for the greedy policy of v.
      gamma: in [0, 1).

    References:
      MacQueen (1966); Puterman (1994), theorems 6.6.6 and 6.6.7.
    """
    action_values = backup.action_values(values, gamma)
    best = jnp.max(action_values, axis=1)
    step_error = rounding(backup, values, gamma)
    policy, acted = acting(action_values, policy, step_error)
    later, error = gamma / (1.0 - gamma), step_error / (1.0 - gamma)
    highest = later * jnp.max(best - values) + error
    lowest = later * jnp.min(acted - values) - error
    middle = (highest + lowest) / 2.0
    live = ~backup.terminal
    short = jnp.max(jnp.where(live, best - acted, 0.0))
    shifted = jnp.where(live[:, None], action_values + middle, 0.0)
    # The sums with the middle are rounded, too: 4 operations on numbers of its size.
    bound = jnp.maximum(highest - middle, middle - lowest + short) + 4 * UNIT * jnp.abs(middle)
    return Certificate(jnp.max(shifted, axis=1), shifted, policy, bound)


@jax.jit
def average_certificate(
    backup: Backup, values: Float[Array, " S"]
) -> tuple[Array, Array, Array, Array]:
    r"""Bounds on the average reward, the best one and that of the greedy policy, from any values.

    .. math:: \min_s (T v - v)(s) \;\le\; \bar r_\pi(s) \;\le\; \bar r_*(s)
              \;\le\; \max_s (T v - v)(s)

    for every state, whatever the chain structure.

    Returns:
      The middle, half the width, q - middle [S, A] and the policy [S].

    References:
      Puterman (1994), theorem 8.5.5.
    """
    action_values = backup.action_values(values, 1.0)
    best = jnp.max(action_values, axis=1)
    error = rounding(backup, values, 1.0)
    policy, acted = acting(action_values, None, error)
    highest = jnp.max(best - values) + error
    lowest = jnp.min(acted - values) - error
    middle = (highest + lowest) / 2.0
    return middle, (highest - lowest) / 2.0, action_values - middle, policy
