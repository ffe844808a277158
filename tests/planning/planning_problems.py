"""Small environments in which plans can be judged exactly."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax import Array

from upslope.environments import Environment, LinearQuadratic
from upslope.environments.environment import Step


class Graph(Environment):
    """A deterministic finite process with random successors and rewards; 5 states, 3 actions."""

    successor: Array
    reward: Array
    time_limit: int | None = eqx.field(static=True, default=6)

    @classmethod
    def drawn(cls, seed: int = 0) -> Graph:
        rng = np.random.default_rng(seed)
        return cls(
            jnp.asarray(rng.integers(5, size=(5, 3))), jnp.asarray(rng.normal(size=(5, 3)), float)
        )

    def reset(self, key: Array) -> tuple[Array, Array]:
        state = jax.random.randint(key, (), 0, 5)
        return state, state

    def step(self, key: Array, state: Array, action: Array) -> tuple[Array, Step]:
        after = self.successor[state, action].astype(state.dtype)
        return after, Step(after, self.reward[state, action], jnp.zeros((), bool))

    @property
    def observation_space(self) -> Any:
        return spaces.Discrete(5)

    @property
    def action_space(self) -> Any:
        return spaces.Discrete(3)


class Targets(Environment):
    """Reward -(a - target[t])^2, with targets that jump: what was good now is not good next."""

    targets: Array
    time_limit: int | None = eqx.field(static=True, default=12)

    @classmethod
    def drawn(cls, seed: int = 0) -> Targets:
        return cls(jnp.asarray(np.random.default_rng(seed).uniform(-0.9, 0.9, 40), float))

    def reset(self, key: Array) -> tuple[Array, Array]:
        time = jnp.zeros((), int)
        return time, time.astype(float)[None]

    def step(self, key: Array, state: Array, action: Array) -> tuple[Array, Step]:
        reward = -jnp.square(action[0] - self.targets[state])
        return state + 1, Step((state + 1).astype(float)[None], reward, jnp.zeros((), bool))

    @property
    def observation_space(self) -> Any:
        return spaces.Box(0, 1e6, (1,))

    @property
    def action_space(self) -> Any:
        return spaces.Box(-1, 1, (1,))


class Coin(Environment):
    """A coin is thrown after the guess; 1 for guessing right. Nobody earns more than half."""

    time_limit: int | None = eqx.field(static=True, default=400)

    def reset(self, key: Array) -> tuple[Array, Array]:
        return jnp.zeros(()), jnp.zeros(1)

    def step(self, key: Array, state: Array, action: Array) -> tuple[Array, Step]:
        side = jax.random.bernoulli(key).astype(int)
        reward = jnp.where(side == action, jnp.ones(()), 0.0)
        return state, Step(jnp.zeros(1), reward, jnp.zeros((), bool))

    @property
    def observation_space(self) -> Any:
        return spaces.Box(0, 1, (1,))

    @property
    def action_space(self) -> Any:
        return spaces.Discrete(2)


def quadratic(noise: float = 0.0) -> LinearQuadratic:
    """A double integrator."""
    return LinearQuadratic(
        A=np.array([[1.0, 0.3], [0.0, 1.0]]),
        B=np.array([[0.0], [0.3]]),
        Q=np.diag([1.0, 0.1]),
        R=np.array([[0.1]]),
        noise_factor=noise * np.eye(2),
        time_limit=20,
    )
