"""MountainCarContinuous: the mountain car with a throttle, and fuel to save."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.classic.hill_track import hill_step, hill_track_space
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


class MountainCarContinuous(Environment):
    r"""The continuous mountain car, step for step Gymnasium's `MountainCarContinuous-v0`.

    .. math:: v' = \mathrm{clip}(v + p \, \mathrm{clip}(a, -1, 1) - g \cos 3x), \qquad
              r = 100 \cdot 1[\text{goal}] - 0.1\, a^2

    State and observation are (position, velocity), [2]. The action is a throttle [1], clipped to
    [-1, 1] for the engine; the fuel is charged for the action **as given**, as in the source.

    Attributes:
      power: acceleration at full throttle, per step^2.
      gravity: acceleration by gravity, per step^2.
      min_position: position of the wall.
      max_position: bound to which the position is clipped.
      max_speed: bound to which the velocity is clipped.
      goal_position: least position at which the process terminates.
      goal_velocity: least velocity with which it does.
      time_limit: steps; 999 is v0's.

    References:
      Gymnasium `classic_control/continuous_mountain_car.py`.
    """

    name: ClassVar[str] = "MountainCarContinuous-v0"
    positive: ClassVar[tuple[str, ...]] = ("max_speed",)
    power: float = 0.0015
    gravity: float = 0.0025
    min_position: float = -1.2
    max_position: float = 0.6
    max_speed: float = 0.07
    goal_position: float = 0.45
    goal_velocity: float = 0.0
    time_limit: int | None = eqx.field(static=True, default=999)

    def reset(self, key: Key) -> tuple[Float[Array, " 2"], Float[Array, " 2"]]:
        position = jax.random.uniform(key, minval=-0.6, maxval=-0.4)
        state = jnp.stack([position, jnp.zeros_like(position)])
        return state, state

    def step(
        self, key: Key, state: Float[Array, " 2"], action: Float[Array, " 1"]
    ) -> tuple[Float[Array, " 2"], Step]:
        throttle = jnp.clip(action[0], -1.0, 1.0)
        state, terminated = hill_step(self, state, throttle * self.power)
        reward = jnp.where(terminated, 100.0, jnp.zeros(())) - 0.1 * jnp.square(action[0])
        return state, Step(state, reward, terminated)

    @property
    def observation_space(self) -> spaces.Box:
        return hill_track_space(self)

    @property
    def action_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        return spaces.Box(-1.0, 1.0, (1,), np.float32)
