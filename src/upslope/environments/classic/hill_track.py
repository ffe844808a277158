"""The valley that both mountain cars drive in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

if TYPE_CHECKING:
    from gymnasium import spaces


class HillCar(Protocol):
    """What the track asks of a car: its limits, in the units of the source (per step)."""

    @property
    def gravity(self) -> float:
        """Per step^2."""
        ...

    @property
    def min_position(self) -> float:
        """The wall on the left, which stops the car."""
        ...

    @property
    def max_position(self) -> float:
        """To which the position is clipped."""
        ...

    @property
    def max_speed(self) -> float:
        """To which the velocity is clipped."""
        ...

    @property
    def goal_position(self) -> float:
        """At or beyond which the car is at its goal."""
        ...

    @property
    def goal_velocity(self) -> float:
        """The least velocity at the goal."""
        ...


def hill_step(
    car: HillCar, state: Float[Array, " 2"], push: Float[Array, ""]
) -> tuple[Float[Array, " 2"], Bool[Array, ""]]:
    r"""One step of a car in its valley under its engine's acceleration.

    .. math:: v' = \mathrm{clip}(v + u - g \cos 3x), \qquad x' = \mathrm{clip}(x + v')

    Args:
      car: its limits.
      state: (position, velocity) [2].
      push: u, a scalar.

    Returns:
      The next (position, velocity) [2] and whether the goal is reached.
    """
    position, velocity = state[0], state[1]
    velocity = velocity + push - car.gravity * jnp.cos(3 * position)
    velocity = jnp.clip(velocity, -car.max_speed, car.max_speed)
    position = jnp.clip(position + velocity, car.min_position, car.max_position)
    velocity = jnp.where((position == car.min_position) & (velocity < 0), 0.0, velocity)
    reached = (position >= car.goal_position) & (velocity >= car.goal_velocity)
    return jnp.stack([position, velocity]), reached


def hill_track_space(car: HillCar) -> spaces.Box:
    """The box of all positions and velocities of a car."""
    import numpy as np
    from gymnasium import spaces

    low = np.array([float(car.min_position), -float(car.max_speed)], np.float32)
    high = np.array([float(car.max_position), float(car.max_speed)], np.float32)
    return spaces.Box(low, high, dtype=np.float32)
