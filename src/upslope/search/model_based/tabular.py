"""Background planning in a table: value iteration in a finite model."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope import exact
from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Trajectories
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.models.model import Model
from upslope.models.tabular import TabularModel
from upslope.objectives.objective import DiscountedReturn, Objective
from upslope.planning.dynamic_programming.backup import DenseBackup
from upslope.planning.dynamic_programming.solver import Stop, first_iterate
from upslope.planning.dynamic_programming.value_iteration import jacobi_sweeps
from upslope.policies.policy import Policy
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.search.model_based.audit import Audit, audit
from upslope.search.model_based.foresight import EndedReturns, Foresight
from upslope.search.model_based.way_of_planning import WayOfPlanning
from upslope.search.search_method import ProblemSpec


class PlannedValues(NamedTuple):
    """What goes on from fit to fit."""

    values: Float[Array, " S"]
    action_values: Float[Array, "S A"]
    value: Float[Array, ""]  # of the start, in the model


class GreedyInTable(WayOfPlanning[PlannedValues]):
    r"""Acts greedily on the optimal action values of a finite model.

    .. math:: q(s, a) \leftarrow \hat R(s, a) + \gamma \sum_{s'} \hat P(s' \mid s, a)
              \max_b q(s', b)

    Sweeps begin at the values of the last fit and end when no value can be off by more than
    `tolerance`, or after `max_sweeps`. With a model that is optimistic of what it has not seen this
    is R-max, which explores without random actions, too.

    Attributes:
      tolerance: bound on the error of the values, in units of the return.
      max_sweeps: at most so many after each fit. Static.
      truth: the environment's own MDP where it is known: what the model is compared with. Not a
        setting.

    References:
      Sutton and Barto (2018), section 4.4; Brafman and Tennenholtz (2002) for R-max.
    """

    name: ClassVar[str] = "value-iteration"
    tolerance: float | Array = 1e-4
    max_sweeps: int = eqx.field(static=True, default=1000)
    truth: FiniteMDP | None = eqx.field(init=False)

    def __post_init__(self) -> None:
        self.truth = None

    def __check_init__(self) -> None:
        check_number("value-iteration", "tolerance", self.tolerance, above=0)
        check_number("value-iteration", "max_sweeps", self.max_sweeps, at_least=1, integer=True)

    def configure(self, model: Model, spec: ProblemSpec) -> GreedyInTable:
        """The planner for a problem.

        Raises:
          UpslopeError: a model without a table, or a return that nothing discounts.
        """
        if not isinstance(model, TabularModel):
            raise UpslopeError(
                f"value-iteration plans in a finite model, and {type(model).__name__} is none: use "
                "model='tabular' where observations and actions are numbered, or planner='cem'."
            )
        gamma = spec.objective.discount
        if not isinstance(spec.objective, DiscountedReturn) or float(gamma) >= 1:
            raise UpslopeError(
                f"value-iteration got {type(spec.objective).__name__} with gamma={float(gamma):g}: "
                "in a model that is not finished a sum without a discount may have no end. Give a "
                "gamma below 1, such as gamma=0.95."
            )
        environment = spec.environment
        finite = hasattr(environment, "finite_mdp") or isinstance(environment, FiniteMDP)
        if not finite or environment is None:
            return self
        truth = exact.as_finite_mdp(environment)
        return eqx.tree_at(lambda it: it.truth, self, truth, is_leaf=lambda node: node is None)

    def init(self, key: Key, policy: Policy, model: Model, objective: Objective) -> PlannedValues:
        assert isinstance(model, TabularModel)
        mdp = model.finite_mdp()
        nothing = PlannedValues(
            jnp.zeros(mdp.n_states, mdp.reward.dtype), mdp.reward, jnp.zeros(())
        )
        return self.improve(key, nothing, model, objective)[0]

    def improve(
        self, key: Key, state: PlannedValues, model: Model, objective: Objective
    ) -> tuple[PlannedValues, Array]:
        assert isinstance(model, TabularModel)
        mdp = model.finite_mdp()
        gamma = jnp.asarray(objective.discount, mdp.reward.dtype)
        backup = DenseBackup(mdp.reward, mdp.terminal, mdp.transition)
        begin = first_iterate(backup)._replace(values=state.values)
        most = jnp.asarray(self.max_sweeps, jnp.int32)
        goal = 2 * (1 - gamma) / jnp.maximum(gamma, 1e-6) * self.tolerance
        found = jacobi_sweeps(backup, gamma, begin, Stop(goal, most, most))
        # Sweeps may leave out a constant: the values that belong to them are within a span of it.
        rest = jnp.max(backup.action_values(found.values, gamma), axis=1) - found.values
        middle = 0.5 * (jnp.max(rest) + jnp.min(rest)) / (1 - gamma)
        values = found.values + middle
        action_values = backup.action_values(values, gamma)
        start = jnp.sum(mdp.initial * jnp.max(action_values, axis=1))
        return PlannedValues(values, action_values, start), jnp.zeros(())

    def explorer(self, state: PlannedValues, model: Model) -> Actor:
        return TabularSoftmax(state.action_values).greedy()

    def solution(self, state: PlannedValues, model: Model) -> Actor:
        return TabularSoftmax(state.action_values)

    def foresight(
        self, state: PlannedValues, fresh: Trajectories, ended: EndedReturns, objective: Objective
    ) -> Foresight:
        known = ~jnp.isnan(ended.discounted)
        return Foresight(jnp.where(known, state.value, jnp.nan), ended.discounted)

    def audit(self, state: PlannedValues, model: Model, objective: Objective) -> Audit:
        assert isinstance(model, TabularModel)
        truth, mdp, gamma = self.truth, model.finite_mdp(), objective.discount
        if truth is None or truth.n_states != mdp.n_states:
            return super().audit(state, model, objective)
        return audit(jnp.argmax(state.action_values, axis=1), truth, mdp, gamma)

    @property
    def steps_per_action(self) -> int:
        return 0
