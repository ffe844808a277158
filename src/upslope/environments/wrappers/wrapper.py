"""An environment around another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool

from upslope.core.annotations import Action, EnvironmentState, Key, Observation
from upslope.core.checks import UpslopeError
from upslope.core.records import Step
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces


class Wrapper(Environment):
    """Everything is the inner environment's, unless a subclass says otherwise.

    Attributes:
      environment: the inner one. Its leaves are the wrapper's.

    Raises:
      UpslopeError: the inner one is not an `Environment`.
    """

    environment: Environment

    def __check_init__(self) -> None:
        if not isinstance(self.environment, Environment):
            raise UpslopeError(
                f"{type(self).__name__} got environment={self.environment!r:.80}: it must be an "
                "upslope Environment. Build one with upslope.make(NAME); simulators have no state "
                "that a program can hold."
            )

    def reset(self, key: Key) -> tuple[EnvironmentState, Observation]:
        return self.environment.reset(key)

    def step(
        self, key: Key, state: EnvironmentState, action: Action
    ) -> tuple[EnvironmentState, Step]:
        return self.environment.step(key, state, action)

    @property
    def time_limit(self) -> int | None:
        """The inner environment's."""
        return self.environment.time_limit

    @property
    def observation_space(self) -> spaces.Space:
        return self.environment.observation_space

    @property
    def action_space(self) -> spaces.Space:
        return self.environment.action_space

    def action_bounds(self) -> tuple[ArrayLike, ArrayLike] | None:
        return self.environment.action_bounds()

    def action_mask(self, state: EnvironmentState) -> Bool[Array, " A"] | None:
        return self.environment.action_mask(state)

    def without_noise(self) -> Environment:
        return eqx.tree_at(lambda w: w.environment, self, self.environment.without_noise())
