"""CartPole: balance a pole on a cart by pushing left or right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


class CartPole(Environment):
    r"""The cart-pole of Barto, Sutton and Anderson, step for step Gymnasium's `CartPole-v1`.

    .. math:: \ddot\theta =
              \frac{g \sin\theta - \cos\theta \, \frac{F + m l \dot\theta^2 \sin\theta}{M + m}}
                   {l (4/3 - \frac{m \cos^2\theta}{M + m})}

    State and observation are (position m, velocity m/s, angle rad, angular velocity rad/s), [4].
    Reward is 1 for every step taken, the terminating one included.

    Attributes:
      gravity: acceleration by gravity, m/s^2.
      cart_mass: mass of the cart, kg.
      pole_mass: mass of the pole, kg.
      half_length: half the pole's length, m.
      force: size of a push, N.
      timestep: step of Euler's method, s.
      angle_limit: largest angle, beyond which the episode terminates, rad.
      position_limit: largest distance from the middle, beyond which it terminates, m.
      time_limit: steps; 500 is v1's.

    References:
      Barto, Sutton and Anderson (1983); Gymnasium `classic_control/cartpole.py`.
    """

    name: ClassVar[str] = "CartPole-v1"
    positive: ClassVar[tuple[str, ...]] = (
        "cart_mass",
        "pole_mass",
        "half_length",
        "timestep",
        "angle_limit",
        "position_limit",
    )
    gravity: float = 9.8
    cart_mass: float = 1.0
    pole_mass: float = 0.1
    half_length: float = 0.5
    force: float = 10.0
    timestep: float = 0.02
    angle_limit: float = 12 * 2 * math.pi / 360
    position_limit: float = 2.4
    time_limit: int | None = eqx.field(static=True, default=500)

    def reset(self, key: Key) -> tuple[Float[Array, " 4"], Float[Array, " 4"]]:
        state = jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05)
        return state, state

    def step(
        self, key: Key, state: Float[Array, " 4"], action: Int[Array, ""]
    ) -> tuple[Float[Array, " 4"], Step]:
        position, velocity, angle, spin = state[0], state[1], state[2], state[3]
        total_mass = self.cart_mass + self.pole_mass
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        push = jnp.where(action == 1, self.force, -self.force)
        drive = (push + self.pole_mass * self.half_length * jnp.square(spin) * sine) / total_mass
        spin_rate = (self.gravity * sine - cosine * drive) / (
            self.half_length * (4.0 / 3.0 - self.pole_mass * jnp.square(cosine) / total_mass)
        )
        acceleration = drive - self.pole_mass * self.half_length * spin_rate * cosine / total_mass
        state = jnp.stack(
            [
                position + self.timestep * velocity,
                velocity + self.timestep * acceleration,
                angle + self.timestep * spin,
                spin + self.timestep * spin_rate,
            ]
        )
        terminated = (jnp.abs(state[0]) > self.position_limit) | (
            jnp.abs(state[2]) > self.angle_limit
        )
        return state, Step(state, jnp.ones(()), terminated)

    @property
    def observation_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        high = np.array(
            [2 * float(self.position_limit), np.inf, 2 * float(self.angle_limit), np.inf],
            np.float32,
        )
        return spaces.Box(-high, high, dtype=np.float32)

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(2)
