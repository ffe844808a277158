"""Steps to fit models to."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.records import Trajectories, Transitions


def rows(observation, action, reward, following, terminated=None, truncated=None):
    """Transitions of these columns; nothing ends where nothing is said."""
    n = len(reward)
    no = np.zeros(n, bool)
    return Transitions(
        observation=np.asarray(observation),
        action=np.asarray(action),
        reward=np.asarray(reward, float),
        next_observation=np.asarray(following),
        terminated=no if terminated is None else np.asarray(terminated, bool),
        truncated=no if truncated is None else np.asarray(truncated, bool),
        weight=np.ones(n),
    )


def as_trajectories(data, n_streams=1):
    """The rows as steps [T, N] of streams: row t of stream n is row t * N + n."""

    def steps(column):
        column = np.asarray(column)
        column = column.reshape(-1, n_streams, *column.shape[1:])
        kinds = {"f": float, "i": int, "u": int, "b": bool}
        return jnp.asarray(column, kinds[column.dtype.kind])

    return Trajectories(
        observation=steps(data.observation),
        action=steps(data.action),
        reward=steps(data.reward),
        next_observation=steps(data.next_observation),
        terminated=steps(data.terminated),
        truncated=steps(data.truncated),
        valid=steps(np.asarray(data.weight) > 0),
    )


def collected(environment, actions, seed=0):
    """Steps of episodes [E, T] of actions, one after the other; padding has weight 0."""

    def episode(key, actions):
        reset_key, step_key = jax.random.split(key)
        state, observation = environment.reset(reset_key)

        def step(carry, inputs):
            state, observation = carry
            after, out = environment.step(inputs[0], state, inputs[1])
            row = (observation, inputs[1], out.reward, out.observation, out.terminated)
            return (after, out.observation), row

        keys = jax.random.split(step_key, actions.shape[0])
        return jax.lax.scan(step, (state, observation), (keys, actions))[1]

    keys = jax.random.split(jax.random.key(seed), len(actions))
    found = jax.jit(jax.vmap(episode))(keys, jnp.asarray(actions))
    o, a, r, following, terminated = (np.asarray(x) for x in found)
    before = np.cumsum(terminated, axis=1) - terminated
    last = np.zeros_like(terminated)
    last[:, -1] = ~terminated[:, -1]
    flat = [x.reshape(-1, *x.shape[2:]) for x in (o, a, r, following, terminated, last)]
    return Transitions(*flat, (before == 0).reshape(-1).astype(float))
