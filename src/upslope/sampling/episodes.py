"""Whole episodes of one policy, from reset to their end."""

from __future__ import annotations

from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.annotations import EnvironmentState, Key, Memory, Observation, PyTree
from upslope.core.records import Act, EpisodeStatistics, Step, Trajectories, first_nonfinite
from upslope.core.unbatched_reductions import any_across_batch
from upslope.environments.environment import Environment
from upslope.policies.actor import Actor
from upslope.sampling.action_bounds import action_clipper

# The time, which episodes [N] go on, the environments, what they show, what the actor remembers of
# each, and the steps so far.
Loop: TypeAlias = tuple[Array, Array, EnvironmentState, Observation, Memory, Trajectories]


def sample_episodes(
    key: Key, environment: Environment, actor: Actor, n_episodes: int, limit: int
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
        actor.initial_memory(),
    )
    clip = action_clipper(environment)

    def move(
        time: Array, state: EnvironmentState, observation: Observation, memory: Memory
    ) -> tuple[EnvironmentState, Act, Step]:
        act_keys = jax.random.split(jax.random.fold_in(act_key, time), n_episodes)
        step_keys = jax.random.split(jax.random.fold_in(step_key, time), n_episodes)
        done = jax.vmap(actor.act)(jax.vmap(actor.noise)(act_keys), observation, memory)
        state, out = jax.vmap(environment.step)(step_keys, state, clip(done.action))
        return state, done, out

    _, done, out = jax.eval_shape(move, 0, state, observation, memory)

    def blank(shapes: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: jnp.zeros((limit, *leaf.shape), leaf.dtype), shapes)

    flags = jnp.zeros((limit, n_episodes), bool)
    buffers = Trajectories(
        observation=blank(observation),
        action=blank(done.action),
        reward=blank(out.reward),
        next_observation=blank(out.observation),
        terminated=flags,
        truncated=flags,
        valid=flags,
        memory=memory,
        extras=blank(done.extras),
        discount=blank(out.discount),
    )

    def unfinished(carry: Loop) -> Array:
        time, alive, *_ = carry
        return (time < limit) & any_across_batch(alive)

    def body(carry: Loop) -> Loop:
        time, alive, state, observation, memory, buffers = carry
        state, done, out = move(time, state, observation, memory)
        terminated = alive & out.terminated
        truncated = alive & ~out.terminated & (time + 1 >= limit)

        def put(buffers: PyTree, values: PyTree) -> PyTree:
            def one(buffer: Array, value: Array) -> Array:
                mask = alive.reshape(alive.shape + (1,) * (value.ndim - 1))
                return buffer.at[time].set(jnp.where(mask, value, jnp.zeros_like(value)))

            return jax.tree.map(one, buffers, values)

        buffers = Trajectories(
            observation=put(buffers.observation, observation),
            action=put(buffers.action, done.action),
            reward=put(buffers.reward, out.reward),
            next_observation=put(buffers.next_observation, out.observation),
            terminated=buffers.terminated.at[time].set(terminated),
            truncated=buffers.truncated.at[time].set(truncated),
            valid=buffers.valid.at[time].set(alive),
            memory=buffers.memory,
            extras=put(buffers.extras, done.extras),
            discount=put(buffers.discount, out.discount),
        )
        alive = alive & ~terminated & ~truncated
        return time + 1, alive, state, out.observation, done.memory, buffers

    start = (jnp.asarray(0), jnp.ones(n_episodes, bool), state, observation, memory, buffers)
    episodes = jax.lax.while_loop(unfinished, body, start)[-1]
    lengths = jnp.sum(episodes.valid, axis=0)
    nonfinite_env, nonfinite_step = first_nonfinite(episodes.reward, episodes.next_observation)
    statistics = EpisodeStatistics(
        returns=jnp.mean(jnp.sum(episodes.reward, axis=0)),
        lengths=jnp.mean(lengths.astype(episodes.reward.dtype)),
        episodes=jnp.asarray(n_episodes, int),
        steps=jnp.sum(lengths),
        nonfinite_env=nonfinite_env,
        nonfinite_step=nonfinite_step,
    )
    return episodes, statistics
