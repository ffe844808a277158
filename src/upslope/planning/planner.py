"""The contract every planner keeps."""

from __future__ import annotations

import abc
from typing import ClassVar, NamedTuple

import equinox as eqx
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Action, EnvironmentState, Extras, Key, Memory
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective


class PlannerOutput(NamedTuple):
    """What a plan says of one state."""

    action: Action  # [...] what to do now
    action_weights: (
        Float[Array, " A"] | tuple[()]
    )  # how good each discrete action looks, summing to one; () otherwise
    value: Array  # scalar: the planner's estimate of the return from here
    memory: Memory = ()  # the next plan's warm start: a shifted sequence, a subtree
    extras: Extras = ()  # what else a method may want: visit counts, ...


class Planner(eqx.Module):
    """Finds an action by simulating an environment: the true one, a fitted or a learned one.

    A plan is a pure function of its key, the state and the memory, unbatched: `jax.vmap` it. Its
    simulations draw from its own key, never from the randomness of the episode that is played.

    Attributes:
      environment: in which it simulates.
      objective: whose discount it counts rewards with.
      example: an environment in which it can be tried. A class attribute.
      plays_for_both: whether it can plan in an `AlternatingGame`, where the next move may be the
        opponent's. A class attribute.
      stops_early: whether `model_steps` is the most, because simulations end with their episodes.
        A class attribute.
    """

    plays_for_both: ClassVar[bool] = False
    stops_early: ClassVar[bool] = False
    example: ClassVar[str] = "Pendulum-v1"
    environment: eqx.AbstractVar[Environment]
    objective: eqx.AbstractVar[Objective]

    def initial_memory(self) -> Memory:
        """The memory at the start of an episode, a tree of arrays; `()` when there is none."""
        return ()

    @abc.abstractmethod
    def plan(self, key: Key, state: EnvironmentState, memory: Memory) -> PlannerOutput:
        """What to do in a state.

        Args:
          key: consumed.
          state: the environment's own, as `reset` and `step` give it.
          memory: from `initial_memory` or the last plan's.
        """

    @property
    @abc.abstractmethod
    def model_steps(self) -> int:
        """Simulated steps per plan. They are counted apart from the steps of the episode."""

    @property
    def lookahead(self) -> int | None:
        """How many rewards `PlannerOutput.value` sums up; None: all until the episode's end."""
        return None
