"""Acrobot: swing the tip of a two-link pendulum above the bar by its elbow."""

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

# Kept as four scalars, not a vector, so that the integrator's stages fuse into one loop.
_Four = tuple[Array, Array, Array, Array]


class Acrobot(Environment):
    r"""The acrobot of Sutton, step for step Gymnasium's `Acrobot-v1` (the book's dynamics).

    .. math:: \ddot\theta_2 = \frac{\tau + \frac{d_2}{d_1} \phi_1
                  - m_2 l_1 l_{c2} \dot\theta_1^2 \sin\theta_2 - \phi_2}
                  {m_2 l_{c2}^2 + I_2 - d_2^2 / d_1}, \qquad
              \ddot\theta_1 = -\frac{d_2 \ddot\theta_2 + \phi_1}{d_1}

    integrated by one step of the classical fourth-order Runge-Kutta method, without torque noise.

    The state is (theta1, theta2 rad, their velocities rad/s), [4]; zero hangs straight down and
    theta2 is relative to the first link. The observation is (cos theta1, sin theta1, cos theta2,
    sin theta2, velocities), [6]. Actions 0, 1, 2 are torques -1, 0, +1 times `torque`.
    The reward is -1 a step and 0 for the step that lifts the tip a link's length above the bar:
    -cos theta1 - cos(theta1 + theta2) > 1.

    Attributes:
      gravity: acceleration by gravity, m/s^2.
      link_length: length of the first link, m.
      link_mass_1: mass of the first link, kg.
      link_mass_2: mass of the second link, kg.
      link_com_1: distance from the joint to the first link's centre of mass, m.
      link_com_2: distance from the second joint to the second link's centre of mass, m.
      link_inertia: moment of inertia of either link, kg m^2.
      torque: size of the motor's torque, N m.
      max_speed_1: bound to which the first angular velocity is clipped, rad/s.
      max_speed_2: bound to which the second angular velocity is clipped, rad/s.
      timestep: time between two actions, s.
      time_limit: steps; 500 is v1's.

    References:
      Sutton (1996); Sutton and Barto (1998), section 11.3; Gymnasium `classic_control/acrobot.py`.
    """

    name: ClassVar[str] = "Acrobot-v1"
    positive: ClassVar[tuple[str, ...]] = (
        "link_length",
        "link_mass_1",
        "link_mass_2",
        "link_com_1",
        "link_com_2",
        "link_inertia",
        "max_speed_1",
        "max_speed_2",
        "timestep",
    )
    gravity: float = 9.8
    link_length: float = 1.0
    link_mass_1: float = 1.0
    link_mass_2: float = 1.0
    link_com_1: float = 0.5
    link_com_2: float = 0.5
    link_inertia: float = 1.0
    torque: float = 1.0
    max_speed_1: float = 4 * math.pi
    max_speed_2: float = 9 * math.pi
    timestep: float = 0.2
    time_limit: int | None = eqx.field(static=True, default=500)

    def reset(self, key: Key) -> tuple[Float[Array, " 4"], Float[Array, " 6"]]:
        state = jax.random.uniform(key, (4,), minval=-0.1, maxval=0.1)
        return state, self._observe(state)

    def step(
        self, key: Key, state: Float[Array, " 4"], action: Int[Array, ""]
    ) -> tuple[Float[Array, " 4"], Step]:
        torque = (action - 1) * self.torque
        angle_1, angle_2, spin_1, spin_2 = self._integrate(
            (state[0], state[1], state[2], state[3]), torque
        )
        angle_1, angle_2 = _wrap(angle_1), _wrap(angle_2)
        state = jnp.stack(
            [
                angle_1,
                angle_2,
                jnp.clip(spin_1, -self.max_speed_1, self.max_speed_1),
                jnp.clip(spin_2, -self.max_speed_2, self.max_speed_2),
            ]
        )
        terminated = -jnp.cos(angle_1) - jnp.cos(angle_1 + angle_2) > 1.0
        reward = jnp.where(terminated, 0.0, -jnp.ones(()))
        return state, Step(self._observe(state), reward, terminated)

    def _integrate(self, state: _Four, torque: Array) -> _Four:
        dt = self.timestep
        k1 = self._derivative(state, torque)
        k2 = self._derivative(_along(state, k1, dt / 2), torque)
        k3 = self._derivative(_along(state, k2, dt / 2), torque)
        k4 = self._derivative(_along(state, k3, dt), torque)
        slope = jax.tree.map(lambda a, b, c, d: a + 2 * b + 2 * c + d, k1, k2, k3, k4)
        return _along(state, slope, dt / 6)

    def _derivative(self, state: _Four, torque: Array) -> _Four:
        angle_1, angle_2, spin_1, spin_2 = state
        m1, m2, l1 = self.link_mass_1, self.link_mass_2, self.link_length
        c1, c2, inertia, g = self.link_com_1, self.link_com_2, self.link_inertia, self.gravity
        sine, cosine = jnp.sin(angle_2), jnp.cos(angle_2)
        d1 = m1 * c1 * c1 + m2 * (l1 * l1 + c2 * c2 + 2 * l1 * c2 * cosine) + 2 * inertia
        d2 = m2 * (c2 * c2 + l1 * c2 * cosine) + inertia
        # cos(x - pi/2) is sin(x)
        phi2 = m2 * c2 * g * jnp.sin(angle_1 + angle_2)
        phi1 = (
            -m2 * l1 * c2 * spin_2 * spin_2 * sine
            - 2 * m2 * l1 * c2 * spin_2 * spin_1 * sine
            + (m1 * c1 + m2 * l1) * g * jnp.sin(angle_1)
            + phi2
        )
        ratio = d2 / d1
        spin_rate_2 = (torque + ratio * phi1 - m2 * l1 * c2 * spin_1 * spin_1 * sine - phi2) / (
            m2 * c2 * c2 + inertia - d2 * ratio
        )
        return spin_1, spin_2, -(d2 * spin_rate_2 + phi1) / d1, spin_rate_2

    def _observe(self, state: Array) -> Array:
        cosine, sine = jnp.cos(state), jnp.sin(state)
        return jnp.stack([cosine[0], sine[0], cosine[1], sine[1], state[2], state[3]])

    @property
    def observation_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        high = np.array(
            [1.0, 1.0, 1.0, 1.0, float(self.max_speed_1), float(self.max_speed_2)], np.float32
        )
        return spaces.Box(-high, high, dtype=np.float32)

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(3)


def _along(state: _Four, slope: _Four, time: float) -> _Four:
    """The state moved along a slope for some time."""
    return jax.tree.map(lambda x, dx: x + time * dx, state, slope)


def _wrap(angle: Array) -> Array:
    """The angle brought into [-pi, pi] by whole turns; +pi and -pi stay what they are."""
    turns = jnp.ceil((jnp.abs(angle) - math.pi) / (2 * math.pi))
    return angle - jnp.sign(angle) * jnp.maximum(turns, 0.0) * (2 * math.pi)
