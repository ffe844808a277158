"""What flows between environments and search methods."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.annotations import Action, Extras, Memory, Observation
from upslope.core.moments import Moments


class Step(NamedTuple):
    """What one step of an environment shows.

    `discount` is multiplied with the objective's gamma: -1 after a move in an alternating zero-sum
    game (the next value is the opponent's), a learned continuation probability in a model. None
    means 1 everywhere, and costs nothing.
    """

    observation: Observation  # [...], or a tree of such arrays
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]  # the process ended; never a time limit
    discount: Float[Array, ""] | None = None  # None: 1


class Act(NamedTuple):
    """What an actor does in one step."""

    action: Action  # [...]
    memory: Memory = ()  # after this action: a filter or a warm-started planner remembers it
    extras: Extras = ()  # what the method wants back of this step: log-probability, visits


class Trajectories(NamedTuple):
    """Time first: T steps of N episodes or streams."""

    observation: Observation  # [T, N, ...], or a tree of such arrays
    action: Action  # [T, N, ...]
    reward: Float[Array, "T N"]
    next_observation: Observation  # [T, N, ...] the true successor, before any reset
    terminated: Bool[Array, "T N"]  # the process ended: its value is 0 from here
    truncated: Bool[Array, "T N"]  # we stopped looking: its value is not 0
    valid: Bool[Array, "T N"]  # False on padding after an episode's end
    memory: Memory = ()  # [N, ...] the actor's memory before the first step; () without memory
    extras: Extras = ()  # [T, N, ...] what the actor noted of each step
    discount: Float[Array, "T N"] | None = None  # the environment's own; None: 1 everywhere
    restarted: Bool[Array, " N"] | None = None  # the stream began anew before the first step


class Transitions(NamedTuple):
    """N single steps, one row each: what a model is fitted to.

    Where their order is known it is that of time, one stream after the other, so that a row follows
    the one before it unless that one ended.
    """

    observation: Observation  # [N, ...]
    action: Action  # [N, ...]
    reward: Float[Array, " N"]
    next_observation: Observation  # [N, ...] the true successor
    terminated: Bool[Array, " N"]  # the process ended with this step
    truncated: Bool[Array, " N"]  # we stopped looking after it
    weight: Float[Array, " N"]  # 1; 0 on padding, which says nothing

    @classmethod
    def of(cls, steps: Trajectories) -> Transitions:
        """The steps of trajectories [T, N, ...], or of batches [B, L, M, ...], as rows.

        Streams stay together, each in the order of time. Padding has weight 0.
        """
        axes = steps.valid.ndim
        # Time is the last but one of the leading axes: it goes behind the streams.
        order = (*range(axes - 2), axes - 1, axes - 2)

        def rows(leaf: Array) -> Array:
            moved = jnp.transpose(leaf, (*order, *range(axes, leaf.ndim)))
            return moved.reshape(-1, *leaf.shape[axes:])

        return cls(
            observation=jax.tree.map(rows, steps.observation),
            action=jax.tree.map(rows, steps.action),
            reward=rows(steps.reward),
            next_observation=jax.tree.map(rows, steps.next_observation),
            terminated=rows(steps.terminated),
            truncated=rows(steps.truncated),
            weight=rows(steps.valid).astype(steps.reward.dtype),
        )


class Replayed(NamedTuple):
    """What `Replay` gives back: fresh steps, and batches drawn from the last `capacity` ones."""

    fresh: Trajectories  # [T, N, ...]
    batches: Trajectories  # [B, L, M, ...]: B batches of M windows of L consecutive steps
    indices: Int[Array, "B M"]  # where each window begins in the buffer
    weights: Float[Array, "B M"]  # importance weights (N p)^-beta / max; 1 where drawing is uniform
    filled: Int[Array, ""]  # rows the buffer holds, a step or an episode's end each


class Returns(NamedTuple):
    """P candidates, E episodes each."""

    returns: Float[Array, "P E"]  # under the objective
    lengths: Int[Array, "P E"]  # environment steps used
    moments: Moments | None = None  # of all observations visited, when the policy normalises


class EpisodeStatistics(NamedTuple):
    """Episodes that ended in the last call of `sample`: what training curves show."""

    returns: Float[Array, ""]  # their mean undiscounted return, NaN if none ended
    lengths: Float[Array, ""]  # their mean length, NaN if none ended
    episodes: Int[Array, ""]  # how many ended
    steps: Int[Array, ""]  # environment steps taken by the call
    nonfinite_env: Int[Array, ""]  # 0, or 1 + index of the first with a NaN or an infinity
    nonfinite_step: Int[Array, ""]  # the step within the call at which it appeared

    @classmethod
    def nothing(cls) -> EpisodeStatistics:
        """Before anything has been sampled."""
        nan, zero = jnp.full((), jnp.nan, float), jnp.zeros((), int)
        return cls(nan, nan, zero, zero, zero, zero)


def finite_steps(reward: Float[Array, "*batch"], observation: Observation) -> Bool[Array, "*batch"]:
    """Which steps [...] have a finite reward and, in floating point, a finite observation."""
    fine = jnp.isfinite(reward)
    for leaf in jax.tree.leaves(observation):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            flat = leaf.reshape(*reward.shape, -1)
            fine = fine & jnp.all(jnp.isfinite(flat), axis=-1)
    return fine


def first_nonfinite(
    reward: Float[Array, "T N"], observation: Observation
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Where the first NaN or infinity stands in [T, N] steps.

    Returns:
      0 if there is none, else 1 + the environment's index; and the step at which it appeared.
    """
    fine = finite_steps(reward, observation)
    index = jnp.argmin(fine.reshape(-1))
    nonfinite = ~jnp.all(fine)
    n_envs = reward.shape[1]
    return jnp.where(nonfinite, index % n_envs + 1, 0), jnp.where(nonfinite, index // n_envs, 0)
