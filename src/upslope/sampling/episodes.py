"""Whole episodes of one policy, from reset to their end."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.records import EpisodeStatistics, Trajectories, first_nonfinite
from upslope.core.unbatched_reductions import anywhere
from upslope.environments.environment import Environment
from upslope.policies.policy import Policy, act
from upslope.sampling.action_bounds import action_clipper


def sample_episodes(
    key: Array, environment: Environment, policy: Policy, n_episodes: int, limit: int
) -> tuple[Trajectories, EpisodeStatistics]:
    """N whole episodes, padded to the time limit; the loop ends when every episode has ended.

    Args:
      key: consumed. Episode n draws from keys of its own, whatever the others do.
      limit: T, after how many steps an episode is truncated.

    Returns:
      The trajectories [T, N, ...] (zeros where not valid) and their statistics.
    """
    reset_key, act_key, step_key = jax.random.split(key, 3)
    state, observation = jax.vmap(environment.reset)(jax.random.split(reset_key, n_episodes))
    memory = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (n_episodes, *jnp.shape(leaf))),
        policy.initial_memory(),
    )
    clip = action_clipper(environment)

    def move(time: Array, state: Any, observation: Array, memory: Any) -> Any:
        act_keys = jax.random.split(jax.random.fold_in(act_key, time), n_episodes)
        step_keys = jax.random.split(jax.random.fold_in(step_key, time), n_episodes)
        distribution, memory = jax.vmap(act, in_axes=(None, 0, 0))(policy, observation, memory)
        action = jax.vmap(lambda d, k: d.sample(k))(distribution, act_keys)
        state, out = jax.vmap(environment.step)(step_keys, state, clip(action))
        return state, memory, action, out

    shapes = jax.eval_shape(move, 0, state, observation, memory)
    action, out = shapes[2], shapes[3]
    buffers = Trajectories(
        observation=jnp.zeros((limit, *observation.shape), observation.dtype),
        action=jnp.zeros((limit, *action.shape), action.dtype),
        reward=jnp.zeros((limit, *out.reward.shape), out.reward.dtype),
        next_observation=jnp.zeros((limit, *observation.shape), observation.dtype),
        terminated=jnp.zeros((limit, n_episodes), bool),
        truncated=jnp.zeros((limit, n_episodes), bool),
        valid=jnp.zeros((limit, n_episodes), bool),
        memory=memory,
    )

    def unfinished(carry: Any) -> Array:
        time, alive, *_ = carry
        return (time < limit) & anywhere(alive)

    def body(carry: Any) -> Any:
        time, alive, state, observation, memory, buffers = carry
        state, next_memory, action, out = move(time, state, observation, memory)
        terminated = alive & out.terminated
        truncated = alive & ~out.terminated & (time + 1 >= limit)

        def put(buffer: Array, value: Array) -> Array:
            mask = alive.reshape(alive.shape + (1,) * (value.ndim - 1))
            return buffer.at[time].set(jnp.where(mask, value, jnp.zeros_like(value)))

        buffers = Trajectories(
            put(buffers.observation, observation),
            put(buffers.action, action),
            put(buffers.reward, out.reward),
            put(buffers.next_observation, out.observation),
            buffers.terminated.at[time].set(terminated),
            buffers.truncated.at[time].set(truncated),
            buffers.valid.at[time].set(alive),
            buffers.memory,
        )
        alive = alive & ~terminated & ~truncated
        return time + 1, alive, state, out.observation, next_memory, buffers

    start = (jnp.asarray(0), jnp.ones(n_episodes, bool), state, observation, memory, buffers)
    episodes = jax.lax.while_loop(unfinished, body, start)[-1]
    lengths = jnp.sum(episodes.valid, axis=0)
    broken, nonfinite_step = first_nonfinite(episodes.reward, episodes.next_observation)
    statistics = EpisodeStatistics(
        returns=jnp.mean(jnp.sum(episodes.reward, axis=0)),
        lengths=jnp.mean(lengths.astype(episodes.reward.dtype)),
        episodes=jnp.asarray(n_episodes, int),
        steps=jnp.sum(lengths),
        broken=broken,
        nonfinite_step=nonfinite_step,
    )
    return episodes, statistics
