"""The contract every JAX environment keeps."""

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool

from upslope.core.annotations import Action, EnvironmentState, Key, Observation
from upslope.core.checks import EnvironmentContractError, check_number
from upslope.core.records import Step

if TYPE_CHECKING:
    from gymnasium import spaces


class Environment(eqx.Module):
    """An environment as a pure function of its state. Its leaves are its physics.

    It never resets itself and never applies a time limit: the sampler does both, so that the
    true successor of every step and the difference between termination and truncation are
    never lost. Fitted and learned models are environments too.

    Attributes:
      time_limit: after how many steps the sampler truncates an episode; None for never. Static.
      name: the registry's name for it. Static, a class attribute.
      positive: names of the fields that must be above zero. A class attribute.
      engine: which engine samples it (`upslope.sampling.ENGINES`). A class attribute.

    Raises:
      UpslopeError: a field is a number but not a finite one, a field named in `positive` is not
        above zero, or the time limit is not a whole number of at least one step.
      EnvironmentContractError: the time limit is not a static field.
    """

    name: ClassVar[str] = "environment"
    positive: ClassVar[tuple[str, ...]] = ()
    engine: ClassVar[str] = "jax"
    time_limit: eqx.AbstractVar[int | None]

    def __check_init__(self) -> None:
        owner = type(self).__name__
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "time_limit":
                if not field.metadata.get("static"):
                    raise EnvironmentContractError(
                        f"{owner}.time_limit must be a static field, because programs are compiled "
                        f"for it: time_limit: int | None = eqx.field(static=True, default={value})"
                    )
                if value is not None:
                    check_number(owner, "time_limit", value, at_least=1, integer=True)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                above = 0.0 if field.name in self.positive else None
                check_number(owner, field.name, value, above=above)
            elif field.name in self.positive:
                check_number(owner, field.name, value, above=0.0)

    @abc.abstractmethod
    def reset(self, key: Key) -> tuple[EnvironmentState, Observation]:
        """A first state and its observation. The key is consumed."""

    @abc.abstractmethod
    def step(
        self, key: Key, state: EnvironmentState, action: Action
    ) -> tuple[EnvironmentState, Step]:
        """The next state and what is seen of it. The key is consumed."""

    @property
    @abc.abstractmethod
    def observation_space(self) -> "spaces.Space[Any]":
        """A Gymnasium space that contains every observation."""

    @property
    @abc.abstractmethod
    def action_space(self) -> "spaces.Space[Any]":
        """A Gymnasium space of the actions that `step` understands."""

    def action_bounds(self) -> tuple[ArrayLike, ArrayLike] | None:
        """The lowest and the highest action of a Box, broadcastable to one; None without bounds.

        Samplers clip into them inside compiled programs, where leaves have no known value: an
        environment whose bounds depend on a leaf gives them here as functions of it.
        """
        space = self.action_space
        low, high = getattr(space, "low", None), getattr(space, "high", None)
        if low is None or high is None or not (np.isfinite(low).any() or np.isfinite(high).any()):
            return None
        return low, high

    def action_mask(self, state: EnvironmentState) -> Bool[Array, " A"] | None:
        """Which actions [A] are legal in a state, never none of them; None where all always are.

        Policies find the same mask in the observation's field `action_mask`; planners, which see
        states, ask here.
        """
        return None

    def hypotheses(self, state: EnvironmentState) -> "tuple[Environment, EnvironmentState] | None":
        """The environments among which this one is undecided, and this state in each of them.

        They are stacked: their leaves have an axis [E], the state has none and is one in all. An
        ensemble of fitted models says here which ones it holds, so that a planner can simulate a
        whole sequence of actions in one of them. None where there is only this one.
        """
        return None

    def without_noise(self) -> "Environment":
        """The environment whose steps are the expected ones, for planners that are certain of them.

        Itself unless it says otherwise: where steps are not random, or their expectation is not
        known. What `reset` draws is not meant.
        """
        return self
