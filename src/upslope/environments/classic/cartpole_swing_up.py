"""Cart-pole swing-up: swing a hanging pole up by moving its cart, and hold both still."""

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

# dm_control's `tolerance`: a Gaussian that is 0.1 at its margin.
WIDTH = math.sqrt(-2 * math.log(0.1))


class CartPoleSwingUp(Environment):
    r"""The cart-pole whose pole hangs down at first, with dm_control's smooth reward.

    .. math:: r = \tfrac{1 + \cos\theta}{2} \cdot \tfrac{1 + G(x / 2)}{2} \cdot
              \tfrac{4 + (1 - u^2)}{5} \cdot \tfrac{1 + G(\dot\theta / 5)}{2}, \qquad
              G(y) = 0.1^{y^2}

    of the state after the step, from 0 to 1: upright, centred, with little force, and still. It is
    smooth everywhere, and where the pole hangs its gradient is zero.

    The state is (position m, velocity m/s, angle rad, angular velocity rad/s), [4]; an angle of 0
    is upright and is not wrapped. The observation is (position, cos angle, sin angle, velocity,
    angular velocity), [5]. The action is u in [-1, 1], [1], clipped, times `force`. The cart stands
    near the middle at first, the pole hangs, both almost still. The dynamics are those of
    dm_control's model without its friction (5e-4 N s/m on the cart) and without its rail, so that
    there is nothing to hit; it never terminates.

    Attributes:
      gravity: acceleration by gravity, m/s^2.
      cart_mass: mass of the cart, kg.
      pole_mass: mass of the pole, kg.
      half_length: half the pole's length, m.
      pole_inertia: inertia of the pole about its centre, kg m^2; the default is that of
        dm_control's capsule (m l^2 / 3 is a thin rod's).
      force: force of the action 1, N.
      timestep: step of the Runge-Kutta method of order four, s. dm_control's is half of it.
      time_limit: steps; 500 are dm_control's 10 s.

    References:
      Tassa et al. (2018), "DeepMind Control Suite", `cartpole` `swingup`; the dynamics of Barto,
      Sutton and Anderson (1983).
    """

    name: ClassVar[str] = "cartpole-swing-up"
    positive: ClassVar[tuple[str, ...]] = (
        "cart_mass",
        "pole_mass",
        "half_length",
        "pole_inertia",
        "force",
        "timestep",
    )
    gravity: float = 9.81
    cart_mass: float = 1.0
    pole_mass: float = 0.1
    half_length: float = 0.5
    pole_inertia: float = 0.00942457
    force: float = 10.0
    timestep: float = 0.02
    time_limit: int | None = eqx.field(static=True, default=500)

    def reset(self, key: Key) -> tuple[Float[Array, " 4"], Float[Array, " 5"]]:
        hanging = jnp.array([0.0, 0.0, math.pi, 0.0])
        state = hanging + 0.01 * jax.random.normal(key, (4,))
        return state, self._observe(state)

    def step(
        self, key: Key, state: Float[Array, " 4"], action: Float[Array, " 1"]
    ) -> tuple[Float[Array, " 4"], Step]:
        u = jnp.clip(action[0], -1.0, 1.0)
        push, h = self.force * u, self.timestep
        one = self._velocity(state, push)
        two = self._velocity(state + h / 2 * one, push)
        three = self._velocity(state + h / 2 * two, push)
        four = self._velocity(state + h * three, push)
        state = state + h / 6 * (one + 2 * two + 2 * three + four)
        position, angle, spin = state[0], state[2], state[3]
        upright = (1 + jnp.cos(angle)) / 2
        centred = (1 + _gaussian(position / 2)) / 2
        small_control = (4 + (1 - jnp.square(u))) / 5
        small_velocity = (1 + _gaussian(spin / 5)) / 2
        reward = upright * centred * small_control * small_velocity
        return state, Step(self._observe(state), reward, jnp.zeros((), bool))

    def _velocity(self, state: Array, push: Array) -> Array:
        """d state / dt."""
        velocity, angle, spin = state[1], state[2], state[3]
        total_mass = self.cart_mass + self.pole_mass
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        drive = (push + self.pole_mass * self.half_length * jnp.square(spin) * sine) / total_mass
        lever = self.pole_mass * self.half_length
        spin_rate = (self.gravity * sine - cosine * drive) / (
            self.pole_inertia / lever + self.half_length - lever * jnp.square(cosine) / total_mass
        )
        acceleration = drive - self.pole_mass * self.half_length * spin_rate * cosine / total_mass
        return jnp.stack([velocity, acceleration, spin, spin_rate])

    def _observe(self, state: Array) -> Array:
        position, velocity, angle, spin = state[0], state[1], state[2], state[3]
        return jnp.stack([position, jnp.cos(angle), jnp.sin(angle), velocity, spin])

    @property
    def observation_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        high = np.array([np.inf, 1.0, 1.0, np.inf, np.inf], np.float32)
        return spaces.Box(-high, high, dtype=np.float32)

    @property
    def action_space(self) -> spaces.Box:
        import numpy as np
        from gymnasium import spaces

        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def action_bounds(self) -> tuple[Any, Any]:
        return -1.0, 1.0


def _gaussian(share: Array) -> Array:
    return jnp.exp(-0.5 * jnp.square(WIDTH * share))
