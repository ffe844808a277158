"""Worlds whose every number is known in advance."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from gymnasium import spaces
from jax import Array

from upslope.environments.environment import Environment, Step


class Clock(Environment):
    """Counts from a random start below 10; terminates on reaching `end`; the reward is the count.

    Observation: [count, start]. It shows at once which episode a number belongs to.
    """

    end: float = 1e9
    time_limit: int | None = eqx.field(static=True, default=7)

    def reset(self, key: Array) -> tuple[Array, Array]:
        start = jax.random.randint(key, (), 0, 10).astype(jnp.zeros(()).dtype)
        state = jnp.stack([start, start])
        return state, state

    def step(self, key: Array, state: Array, action: Array) -> tuple[Array, Step]:
        state = state.at[0].add(1.0)
        return state, Step(state, state[0] + 0.0 * action, state[0] >= self.end)

    @property
    def observation_space(self) -> Any:
        return spaces.Box(0, 1e6, (2,))

    @property
    def action_space(self) -> Any:
        return spaces.Discrete(2)


class Endless(Environment):
    """Reward 1 for ever; the observation is always 0. V = 1 / (1 - gamma)."""

    time_limit: int | None = eqx.field(static=True, default=8)

    def reset(self, key: Array) -> tuple[Array, Array]:
        state = jnp.zeros((), int)
        return state, state

    def step(self, key: Array, state: Array, action: Array) -> tuple[Array, Step]:
        return state, Step(state, jnp.ones(()), jnp.zeros((), bool))

    @property
    def observation_space(self) -> Any:
        return spaces.Discrete(1)

    @property
    def action_space(self) -> Any:
        return spaces.Discrete(2)


class Recall(Environment):
    """Shows -1 or 1 once, then 0; the last action must name what was shown (1 or -1 earned).

    A policy without memory earns 0 on average; one with memory earns 1.
    """

    time_limit: int | None = eqx.field(static=True, default=5)

    def reset(self, key: Array) -> tuple[Any, Array]:
        cue = jax.random.rademacher(key, (), jnp.zeros(()).dtype)
        return (cue, jnp.zeros((), int)), cue[None]

    def step(self, key: Array, state: Any, action: Array) -> tuple[Any, Step]:
        cue, time = state
        last = time == 2
        reward = jnp.where(last, cue * (2.0 * action - 1.0), 0.0)
        return (cue, time + 1), Step(jnp.zeros(1), reward, last)

    @property
    def observation_space(self) -> Any:
        return spaces.Box(-1, 1, (1,))

    @property
    def action_space(self) -> Any:
        return spaces.Discrete(2)
