"""What MuZero's predictions are moved towards along a window of steps."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.records import Trajectories


class UnrolledTargets(NamedTuple):
    """Targets of the root and of K unrolled steps; weights are 0 where nothing is known."""

    value: Float[Array, "K+1 M"]  # z
    value_weight: Float[Array, "K+1 M"]
    policy: Float[Array, "K+1 M A"]  # pi, of the searches
    policy_weight: Float[Array, "K+1 M"]
    reward: Float[Array, "K M"]  # u: k is the reward of action k
    reward_weight: Float[Array, "K M"]


def window_length(unroll_steps: int, n_step: int) -> int:
    """Steps of a window that has all that K unrolled steps and their n-step targets need."""
    return unroll_steps + n_step + 1


def unrolled_targets(
    windows: Trajectories,
    root_values: Float[Array, "L M"],
    policies: Float[Array, "L M A"],
    value_after: Float[Array, " M"],
    gamma: float | Array,
    n_step: int,
    unroll_steps: int,
) -> UnrolledTargets:
    r"""The targets of a root and the K steps after it.

    .. math:: z_k = \sum_{j<n} \Big(\prod_{i<j} \gamma d_{k+i}\Big) u_{k+j}
              + \Big(\prod_{i<n} \gamma d_{k+i}\Big) \nu_{k+n}

    with u the rewards, d the environment's own discount and :math:`\nu` the values that searches
    found at their roots. A window ends with its episode. After a termination comes an absorbing
    state: its value and its rewards are 0, whatever the action, and it has no policy. A truncation
    says nothing of what comes after it: the value is bootstrapped there, and further steps have no
    targets.

    Args:
      windows: [L, M, ...] with L = `window_length(unroll_steps, n_step)`; `valid` up to the end of
        the first episode.
      root_values: nu.
      policies: what the searches would do.
      value_after: V of the observation after the last valid step, bootstrapped where that step was
        truncated.
      gamma: the discount.
      n_step: n.
      unroll_steps: K.
    """
    n_roots = unroll_steps + 1
    valid = windows.valid
    terminated = jnp.any(windows.terminated & valid, axis=0)  # [M]
    ending = jnp.where(terminated, 0.0, value_after)[None]
    own = jnp.ones_like(windows.reward) if windows.discount is None else windows.discount
    reward = jnp.where(valid, windows.reward, 0.0)
    # From the end on the value stays what it is there: nothing is earned, nothing is discounted.
    discount = jnp.where(valid, gamma * own, 1.0)
    values = jnp.concatenate([jnp.where(valid, root_values, ending), ending])

    def back(j: Array, value: Array) -> Array:
        at = n_step - 1 - j
        rewards = jax.lax.dynamic_slice_in_dim(reward, at, n_roots)
        return rewards + jax.lax.dynamic_slice_in_dim(discount, at, n_roots) * value

    value = jax.lax.fori_loop(0, n_step, back, values[n_step : n_step + n_roots])
    known = targets_known(valid, terminated)
    return UnrolledTargets(
        value=value,
        value_weight=known[:n_roots].astype(reward.dtype),
        policy=jnp.where(valid[..., None], policies, 0.0)[:n_roots],
        policy_weight=valid[:n_roots].astype(reward.dtype),
        reward=reward[:unroll_steps],
        reward_weight=known[:unroll_steps].astype(reward.dtype),
    )


def targets_known(valid: Bool[Array, "L M"], terminated: Bool[Array, " M"]) -> Bool[Array, "L M"]:
    """Which steps have a value and a reward: those taken, and all after a termination."""
    return valid | terminated[None]


def last_observation(windows: Trajectories) -> Array:
    """What was observed after the last valid step of each window, [M, ...]."""
    last = jnp.maximum(jnp.sum(windows.valid, axis=0) - 1, 0)
    columns = jnp.arange(last.shape[0])
    return jax.tree.map(lambda leaf: leaf[last, columns], windows.next_observation)
