"""Pendulum: swing a pole up with a weak motor and hold it there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


class Pendulum(Environment):
    r"""The torque-limited inverted pendulum, step for step Gymnasium's `Pendulum-v1`.

    .. math:: \ddot\theta = \frac{3 g}{2 l} \sin\theta + \frac{3}{m l^2} u, \qquad
              r = -(\theta^2 + 0.1\, \dot\theta^2 + 0.001\, u^2)

    The state is (theta rad, angular velocity rad/s), [2]; theta = 0 is upright and is not wrapped
    (the reward's is, to [-pi, pi)). The observation is (cos theta, sin theta, angular velocity),
    [3]. The action is a torque [1] in N m, clipped to the motor's limit. It never terminates.

    Attributes:
      gravity: acceleration by gravity, m/s^2.
      mass: mass of the pole, kg.
      length: length of the pole, m.
      max_speed: bound to which the angular velocity is clipped, rad/s.
      max_torque: bound to which the motor's torque is clipped, N m.
      timestep: step of the semi-implicit Euler method, s.
      time_limit: steps; 200 is v1's.

    References:
      Gymnasium `classic_control/pendulum.py`.
    """

    name: ClassVar[str] = "Pendulum-v1"
    positive: ClassVar[tuple[str, ...]] = ("mass", "length", "max_speed", "max_torque", "timestep")
    gravity: float = 10.0
    mass: float = 1.0
    length: float = 1.0
    max_speed: float = 8.0
    max_torque: float = 2.0
    timestep: float = 0.05
    time_limit: int | None = eqx.field(static=True, default=200)

    def reset(self, key: Key) -> tuple[Float[Array, " 2"], Float[Array, " 3"]]:
        angle_key, spin_key = jax.random.split(key)
        angle = jax.random.uniform(angle_key, minval=-math.pi, maxval=math.pi)
        spin = jax.random.uniform(spin_key, minval=-1.0, maxval=1.0)
        state = jnp.stack([angle, spin])
        return state, self._observe(state)

    def step(
        self, key: Key, state: Float[Array, " 2"], action: Float[Array, " 1"]
    ) -> tuple[Float[Array, " 2"], Step]:
        angle, spin = state[0], state[1]
        torque = jnp.clip(action[0], -self.max_torque, self.max_torque)
        wrapped = (angle + math.pi) % (2 * math.pi) - math.pi
        cost = jnp.square(wrapped) + 0.1 * jnp.square(spin) + 0.001 * jnp.square(torque)
        spin_rate = (
            3 * self.gravity / (2 * self.length) * jnp.sin(angle)
            + 3.0 / (self.mass * self.length * self.length) * torque
        )
        spin = jnp.clip(spin + spin_rate * self.timestep, -self.max_speed, self.max_speed)
        state = jnp.stack([angle + spin * self.timestep, spin])
        return state, Step(self._observe(state), -cost, jnp.zeros((), bool))

    def _observe(self, state: Array) -> Array:
        return jnp.stack([jnp.cos(state[0]), jnp.sin(state[0]), state[1]])

    @property
    def observation_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        high = np.array([1.0, 1.0, float(self.max_speed)], np.float32)
        return spaces.Box(-high, high, dtype=np.float32)

    @property
    def action_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        limit = float(self.max_torque)
        return spaces.Box(-limit, limit, (1,), np.float32)

    def action_bounds(self) -> tuple[Any, Any]:
        return -self.max_torque, self.max_torque
