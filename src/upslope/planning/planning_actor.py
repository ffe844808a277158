"""Acting by planning."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from jax import Array
from jaxtyping import Float

from upslope.core.actor import Actor
from upslope.core.annotations import Extras, Key, Memory, Observation
from upslope.core.checks import UpslopeError
from upslope.core.records import Act
from upslope.environments.wrappers.fully_observed import FullState
from upslope.models.latent_model import LatentModel
from upslope.models.model import Model
from upslope.planning.planner import Planner


class PlanExtras(NamedTuple):
    """What a planning actor notes of each step."""

    value: Array  # scalar: the planner's estimate of the return from here
    action_weights: Float[Array, " A"] | tuple[()]  # for discrete actions; () otherwise
    planner: Extras = ()  # the planner's own extras


class PlanningActor(Actor):
    """Plans in every step, from the state that a `FullyObserved` environment shows.

    The memory is the planner's warm start, so that it begins anew with each episode. Plans draw
    from the actor's own noise: they never see the randomness of the episode that is played.

    Attributes:
      planner: any.

    Raises:
      UpslopeError: the observation does not show the environment's state.
    """

    observes_state: ClassVar[bool] = True
    planner: Planner

    def initial_memory(self) -> Memory:
        return self.planner.initial_memory()

    def act(self, noise: Key, observation: Observation, memory: Memory) -> Act:
        if not isinstance(observation, FullState):
            raise UpslopeError(
                "A PlanningActor got an observation without the environment's state, from which "
                "it plans: act in FullyObserved(environment), or let upslope.evaluate(environment, "
                "planner=...) do so."
            )
        plan = self.planner.plan(noise, observation.state, memory)
        extras = PlanExtras(plan.value, plan.action_weights, plan.extras)
        return Act(plan.action, plan.memory, extras)


class ModelPlanningActor(Actor):
    """Plans in every step in a fitted model, from what is observed.

    The memory is the planner's warm start, so that it begins anew with each episode.

    Attributes:
      planner: in a model, an environment that finds its state in an observation
        (`upslope.models.Model.state_of`, `upslope.models.LatentModel.state_of`).
    """

    planner: Planner

    def initial_memory(self) -> Memory:
        return self.planner.initial_memory()

    def act(self, noise: Key, observation: Observation, memory: Memory) -> Act:
        model = self.planner.environment
        assert isinstance(model, Model | LatentModel)
        plan = self.planner.plan(noise, model.state_of(observation), memory)
        extras = PlanExtras(plan.value, plan.action_weights, plan.extras)
        return Act(plan.action, plan.memory, extras)
