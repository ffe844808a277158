"""Acting by planning."""

from __future__ import annotations

from typing import Any, NamedTuple

from jax import Array

from upslope.core.actor import Actor
from upslope.core.records import Act
from upslope.planning.planner import Planner


class PlanExtras(NamedTuple):
    """What a planning actor notes of each step."""

    value: Array  # scalar: the planner's estimate of the return from here
    action_weights: Any  # [A] for discrete actions; () otherwise
    planner: Any = ()  # the planner's own extras


class PlanningActor(Actor):
    """Plans in every step, from the state that a `FullyObserved` environment shows.

    The memory is the planner's warm start, so that it begins anew with each episode. Plans draw
    from the actor's own noise: they never see the randomness of the episode that is played.

    Attributes:
      planner: any.
    """

    planner: Planner

    def initial_memory(self) -> Any:
        return self.planner.initial_memory()

    def act(self, noise: Array, observation: Any, memory: Any) -> Act:
        plan = self.planner.plan(noise, observation.state, memory)
        extras = PlanExtras(plan.value, plan.action_weights, plan.extras)
        return Act(plan.action, plan.memory, extras)
