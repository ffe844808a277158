"""MountainCar: an engine too weak for the hill must swing up the other side first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.classic.hill_track import hill_step, hill_track_space
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


class MountainCar(Environment):
    r"""The mountain car of Moore, step for step Gymnasium's `MountainCar-v0`.

    .. math:: v' = \mathrm{clip}(v + F (a - 1) - g \cos 3x), \qquad x' = \mathrm{clip}(x + v')

    State and observation are (position, velocity), [2], in the units of the source (velocity per
    step). Actions 0, 1, 2 push left, not at all, right. The wall on the left stops the car.
    Reward is -1 for every step taken, the terminating one included.

    Attributes:
      force: acceleration by a push, per step^2.
      gravity: acceleration by gravity, per step^2.
      min_position: position of the wall.
      max_position: bound to which the position is clipped.
      max_speed: bound to which the velocity is clipped.
      goal_position: least position at which the process terminates.
      goal_velocity: least velocity with which it does.
      time_limit: steps; 200 is v0's.

    References:
      Moore (1990); Sutton and Barto (2018), example 10.1; Gymnasium
      `classic_control/mountain_car.py`.
    """

    name: ClassVar[str] = "MountainCar-v0"
    positive: ClassVar[tuple[str, ...]] = ("max_speed",)
    force: float = 0.001
    gravity: float = 0.0025
    min_position: float = -1.2
    max_position: float = 0.6
    max_speed: float = 0.07
    goal_position: float = 0.5
    goal_velocity: float = 0.0
    time_limit: int | None = eqx.field(static=True, default=200)

    def reset(self, key: Key) -> tuple[Float[Array, " 2"], Float[Array, " 2"]]:
        position = jax.random.uniform(key, minval=-0.6, maxval=-0.4)
        state = jnp.stack([position, jnp.zeros_like(position)])
        return state, state

    def step(
        self, key: Key, state: Float[Array, " 2"], action: Int[Array, ""]
    ) -> tuple[Float[Array, " 2"], Step]:
        state, terminated = hill_step(self, state, (action - 1) * self.force)
        return state, Step(state, -jnp.ones(()), terminated)

    @property
    def observation_space(self) -> spaces.Box:
        return hill_track_space(self)

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(3)
