"""A game that may be given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import jax.numpy as jnp
from jax import Array
from jaxtyping import Int

from upslope.core.annotations import EnvironmentState, Key
from upslope.core.records import Step
from upslope.environments.wrappers.wrapper import Wrapper

if TYPE_CHECKING:
    from gymnasium import spaces


class Resignable(Wrapper):
    """A game of two players with one action more, the last one: to resign, which loses at once.

    Observations and their `action_mask` are the game's: who resigns knows that it can.

    Attributes:
      environment: the game.
    """

    name: ClassVar[str] = "Resignable"

    def step(
        self, key: Key, state: EnvironmentState, action: Int[Array, ""]
    ) -> tuple[EnvironmentState, Step]:
        last = self.action_space.n - 1
        resigned = action == last
        state, out = self.environment.step(key, state, jnp.where(resigned, 0, action))
        reward = jnp.where(resigned, -1.0, out.reward)
        return state, out._replace(reward=reward, terminated=out.terminated | resigned)

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        inner = self.environment.action_space
        assert isinstance(inner, spaces.Discrete)
        return spaces.Discrete(int(inner.n) + 1)
