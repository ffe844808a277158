"""Streams of steps that continue where the last batch stopped."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int

from upslope.core import tree
from upslope.core.annotations import Key
from upslope.core.compensated_sum import CompensatedSum
from upslope.core.records import EpisodeStatistics, Trajectories, first_nonfinite
from upslope.environments.environment import Environment
from upslope.policies.actor import Actor
from upslope.sampling.action_bounds import action_clipper

# Below this many numbers a state is reset in advance for every step (one batched call instead of
# a reset inside the loop); above it the resets would cost more memory than they save time.
SMALL_STATE = 64


class Streams(NamedTuple):
    """N environments in the middle of their episodes."""

    state: Any  # [N, ...] environment states
    observation: Any  # [N, ...] what the actor sees next
    memory: Any  # [N, ...] the actor's memory
    age: Int[Array, " N"]  # steps taken in the current episode
    returns: CompensatedSum  # [N] undiscounted return of the current episode so far


def start_streams(key: Key, environment: Environment, n_envs: int, actor: Actor) -> Streams:
    """N environments just reset. The key is consumed."""
    state, observation = jax.vmap(environment.reset)(jax.random.split(key, n_envs))
    memory = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (n_envs, *jnp.shape(leaf))), actor.initial_memory()
    )
    returns = CompensatedSum.start(jnp.zeros(n_envs))
    return Streams(state, observation, memory, jnp.zeros(n_envs, int), returns)


def sample_steps(
    key: Key,
    environment: Environment,
    actor: Actor,
    streams: Streams,
    n_steps: int,
    limit: int | None,
) -> tuple[Trajectories, Streams, EpisodeStatistics]:
    """T steps of N streams; an ended episode is followed by the first step of a new one.

    Args:
      key: consumed.
      limit: after how many steps an episode is truncated; None for never.

    Returns:
      The trajectories [T, N, ...] with the true successors, the streams moved on, and statistics
      of the episodes that ended.
    """
    n_envs = streams.age.shape[0]
    act_key, step_key, reset_key = jax.random.split(key, 3)
    first_memory = jax.tree.map(jnp.asarray, actor.initial_memory())
    clip = action_clipper(environment)

    def split(key: Array) -> Array:
        return jax.random.split(key, (n_steps, n_envs))

    reset = jax.vmap(environment.reset)
    resets = split(reset_key)
    size = sum(
        math.prod(leaf.shape)
        for leaf in jax.tree.leaves(jax.eval_shape(environment.reset, reset_key))
    )
    if size <= SMALL_STATE:
        resets = jax.vmap(reset)(resets)

    def step(streams: Streams, inputs: Any) -> tuple[Streams, Any]:
        noise, step_keys, reset_to = inputs
        action, memory, extras = jax.vmap(actor.act)(noise, streams.observation, streams.memory)
        state, out = jax.vmap(environment.step)(step_keys, streams.state, clip(action))
        age = streams.age + 1
        returns = streams.returns.add(out.reward)
        terminated = out.terminated
        truncated = jnp.zeros_like(terminated) if limit is None else ~terminated & (age >= limit)
        ended = terminated | truncated
        fresh_state, fresh_observation = reset_to if size <= SMALL_STATE else reset(reset_to)
        record = (
            streams.observation,
            action,
            out.reward,
            out.observation,
            jnp.stack([terminated, truncated]),
            jnp.stack([returns.value, age.astype(returns.total.dtype)]),
            extras,
            out.discount,
        )
        streams = Streams(
            tree.where(ended, fresh_state, state),
            tree.where(ended, fresh_observation, out.observation),
            jax.tree.map(
                lambda new, first: tree.where(ended, jnp.broadcast_to(first, new.shape), new),
                memory,
                first_memory,
            ),
            jnp.where(ended, 0, age),
            tree.where(ended, CompensatedSum.start(returns.total), returns),
        )
        return streams, record

    noise = jax.vmap(jax.vmap(actor.noise))(split(act_key))
    inputs = (noise, split(step_key), resets)
    after, record = jax.lax.scan(step, streams, inputs)
    observation, action, reward, successor, ends, tallies, extras, discount = record
    terminated, truncated = ends[:, 0], ends[:, 1]
    returns, age = tallies[:, 0], tallies[:, 1]
    trajectories = Trajectories(
        observation=observation,
        action=action,
        reward=reward,
        next_observation=successor,
        terminated=terminated,
        truncated=truncated,
        valid=jnp.ones_like(terminated),
        memory=streams.memory,
        extras=extras,
        discount=discount,
    )
    ended = terminated | truncated
    episodes = jnp.sum(ended)
    nonfinite_env, nonfinite_step = first_nonfinite(reward, successor)
    statistics = EpisodeStatistics(
        returns=jnp.sum(jnp.where(ended, returns, 0.0)) / episodes,
        lengths=jnp.sum(jnp.where(ended, age, 0)) / episodes,
        episodes=episodes,
        steps=jnp.asarray(n_steps * n_envs, int),
        nonfinite_env=nonfinite_env,
        nonfinite_step=nonfinite_step,
    )
    return trajectories, after, statistics
