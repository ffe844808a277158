"""What flows between worlds and search methods."""

from __future__ import annotations

from typing import Any, NamedTuple

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
    broken_step: Array  # scalar int: the step within the call at which it appeared
