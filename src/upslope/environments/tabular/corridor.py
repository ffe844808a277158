"""The short corridor with switched actions: where the best policy must be random."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int

from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.environment import Environment
from upslope.environments.tabular.finite_mdp import FiniteMDP

if TYPE_CHECKING:
    from gymnasium import spaces


class ShortCorridor(Environment):
    r"""Three cells in a row that look the same, and a goal; in the middle one actions are switched.

    A policy sees a constant and can only choose the probability p of going right. From the start

    .. math:: v(p) = \frac{2 p - 4}{p (1 - p)}, \qquad
              p^* = 2 - \sqrt 2 \approx 0.586, \quad v(p^*) = -6 - 4 \sqrt 2 \approx -11.66

    and a deterministic policy never arrives. A policy that saw the cell would need 3 steps.

    The state is the cell, 0 to 2, or 3 at the goal. The observation is always 0. Actions: 0 left,
    1 right. Reward is -1 for every step, the last one included.

    Attributes:
      time_limit: steps; the book has none, but its deterministic policies never end. 1000 cuts
        fewer than 1 episode in 10^5 of policies with p in [0.05, 0.95]. Static.

    References:
      Sutton and Barto (2018), example 13.1.
    """

    name: ClassVar[str] = "short-corridor"
    time_limit: int | None = eqx.field(static=True, default=1000)

    def observation(self, state: Int[Array, ""]) -> Int[Array, ""]:
        """What is seen in a state: 0, whichever it is."""
        return jnp.zeros_like(state)

    def reset(self, key: Key) -> tuple[Int[Array, ""], Int[Array, ""]]:
        cell = jnp.zeros((), int)
        return cell, cell

    def step(
        self, key: Key, state: Int[Array, ""], action: Int[Array, ""]
    ) -> tuple[Int[Array, ""], Step]:
        right = (action == 1) != (state == 1)
        arrived = state == 3
        moved = jnp.maximum(jnp.where(right, state + 1, state - 1), 0)
        cell = jnp.where(arrived, state, moved).astype(state.dtype)
        reward = jnp.where(arrived, 0.0, -jnp.ones(()))
        return cell, Step(jnp.zeros_like(cell), reward, cell == 3)

    def finite_mdp(self) -> FiniteMDP:
        """The MDP under the aliasing: four states that can be told apart, the last one terminal.

        A policy of this environment is one of its policies that is the same in every state; the
        exact methods see that through `observation`.
        """
        transition = np.zeros((4, 2, 4))
        for state, action, successor in (
            *((0, 0, 0), (0, 1, 1)),
            *((1, 0, 2), (1, 1, 0)),
            *((2, 0, 1), (2, 1, 3)),
            *((3, 0, 3), (3, 1, 3)),
        ):
            transition[state, action, successor] = 1.0
        reward = np.array([[-1.0, -1.0]] * 3 + [[0.0, 0.0]])
        initial = np.array([1.0, 0.0, 0.0, 0.0])
        return FiniteMDP(transition, reward, initial, time_limit=self.time_limit)

    @property
    def observation_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(1)

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(2)
