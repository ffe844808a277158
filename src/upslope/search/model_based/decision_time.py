"""Decision-time planning: whatever is done is planned in the moment it is done."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.records import Trajectories
from upslope.models.model import Model
from upslope.objectives.objective import Objective
from upslope.planning.planner import Planner
from upslope.planning.planning_actor import ModelPlanningActor
from upslope.policies.policy import Policy
from upslope.search.model_based.foresight import EndedReturns, Foresight, returns_ahead
from upslope.search.model_based.way_of_planning import WayOfPlanning


class DecisionTimePlanning(WayOfPlanning[tuple[()]]):
    """A planner that plans in the model at every step; nothing is remembered but the model.

    Attributes:
      planner: in a model, of which the fitted one takes the place.
    """

    planner: Planner

    def init(self, key: Key, policy: Policy, model: Model, objective: Objective) -> tuple[()]:
        return ()

    def improve(
        self, key: Key, state: tuple[()], model: Model, objective: Objective
    ) -> tuple[tuple[()], Array]:
        return (), jnp.zeros(())

    def explorer(self, state: tuple[()], model: Model) -> Actor:
        fitted = model.for_planning()
        planner = eqx.tree_at(lambda planner: planner.environment, self.planner, fitted)
        return ModelPlanningActor(planner)

    def solution(self, state: tuple[()], model: Model) -> Actor:
        return self.explorer(state, model)

    def foresight(
        self, state: tuple[()], fresh: Trajectories, ended: EndedReturns, objective: Objective
    ) -> Foresight:
        obtained, complete = returns_ahead(fresh, objective.discount, self.planner.lookahead)
        predicted = fresh.extras.value  # pyright: ignore[reportAttributeAccessIssue] (PlanExtras)
        share = jnp.where(complete, 1.0, 0.0) / jnp.sum(complete)
        return Foresight(
            jnp.sum(jnp.where(complete, predicted, 0.0) * share),
            jnp.sum(jnp.where(complete, obtained, 0.0) * share),
        )

    @property
    def steps_per_action(self) -> int:
        return self.planner.model_steps
