"""The contract every JAX world keeps."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import equinox as eqx
from jax import Array

if TYPE_CHECKING:
    from gymnasium import spaces


class Step(NamedTuple):
    """What one step of the world shows."""

    observation: Array  # [...]
    reward: Array  # scalar
    terminated: Array  # scalar bool: the process ended; never a time limit


class Environment(eqx.Module):
    """A world as a pure function of its state. Its leaves are its physics.

    It never resets itself and never applies a time limit: the sampler does both, so that the
    true successor of every step and the difference between an ended process and a cut one are
    never lost. Fitted and learned models are environments too.

    Attributes:
      time_limit: after how many steps the sampler truncates an episode; None for never. Static.
      name: the registry's name for it. Static, a class attribute.
    """

    name: ClassVar[str] = "environment"
    time_limit: eqx.AbstractVar[int | None]

    @abc.abstractmethod
    def reset(self, key: Array) -> tuple[Any, Array]:
        """A first state and its observation. The key is consumed."""

    @abc.abstractmethod
    def step(self, key: Array, state: Any, action: Array) -> tuple[Any, Step]:
        """The next state and what is seen of it. The key is consumed."""

    @property
    @abc.abstractmethod
    def observation_space(self) -> spaces.Space:
        """A Gymnasium space that contains every observation."""

    @property
    @abc.abstractmethod
    def action_space(self) -> spaces.Space:
        """A Gymnasium space of the actions that `step` understands."""
