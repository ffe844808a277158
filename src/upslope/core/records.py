"""What flows between worlds and search methods."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.moments import Moments


class Trajectories(NamedTuple):
    """Time first: T steps of N episodes or streams."""

    observation: Array  # [T, N, ...]
    action: Array  # [T, N, ...]
    reward: Array  # [T, N]
    next_observation: Array  # [T, N, ...] the true successor, before any reset
    terminated: Array  # [T, N] the process ended: its value is 0 from here
    truncated: Array  # [T, N] we stopped looking: its value is not 0
    valid: Array  # [T, N] False on padding after an episode's end
    memory: Any = ()  # [N, ...] the policy's memory before the first step; () without memory


class Returns(NamedTuple):
    """P candidates, E episodes each."""

    returns: Array  # [P, E] under the objective
    lengths: Array  # [P, E] environment steps used
    moments: Moments | None = None  # of all observations visited, when the policy normalises


class EpisodeStatistics(NamedTuple):
    """Episodes that ended in the last call of `sample`: what training curves show."""

    returns: Array  # scalar: their mean undiscounted return, NaN if none ended
    lengths: Array  # scalar: their mean length, NaN if none ended
    episodes: Array  # scalar int: how many ended
    steps: Array  # scalar int: environment steps taken by the call
    broken: Array  # scalar int: 0, or 1 + index of the first environment with a NaN or an infinity
    nonfinite_step: Array  # scalar int: the step within the call at which it appeared

    @classmethod
    def nothing(cls) -> EpisodeStatistics:
        """Before anything has been sampled."""
        nan, zero = jnp.full((), jnp.nan, float), jnp.zeros((), int)
        return cls(nan, nan, zero, zero, zero, zero)


def first_nonfinite(reward: Array, observation: Any) -> tuple[Array, Array]:
    """Where the first NaN or infinity stands in [T, N] steps.

    Returns:
      0 if there is none, else 1 + the environment's index; and the step at which it appeared.
    """
    fine = jnp.isfinite(reward)
    for leaf in jax.tree.leaves(observation):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            flat = leaf.reshape(*reward.shape, -1)
            fine = fine & jnp.all(jnp.isfinite(flat), axis=-1)
    index = jnp.argmin(fine.reshape(-1))
    broken = ~jnp.all(fine)
    n_envs = reward.shape[1]
    return jnp.where(broken, index % n_envs + 1, 0), jnp.where(broken, index // n_envs, 0)
