"""Model-based search: collect, fit a model, plan in it, and again."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.core.records import Replayed, Trajectories
from upslope.models.model import Model
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import Replay, Steps
from upslope.search.model_based.foresight import RunningReturns, go_on
from upslope.search.model_based.parts import (
    GIVEN,
    Frozen,
    find_model,
    find_planner,
    frozen,
    model_for,
    way_for,
)
from upslope.search.model_based.start import RandomActions, StartThen
from upslope.search.model_based.way_of_planning import AnyWay
from upslope.search.search_method import Defaults, Part, ProblemSpec, SearchMethod


class ModelBasedState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy  # with which the search starts to collect
    model: Model  # fitted to everything so far
    planning: Any  # what the way of planning remembers
    steps: Array  # scalar int: environment steps so far
    running: RunningReturns  # of the episodes under way


class ModelBasedDiagnostics(NamedTuple):
    """What its users look at. NaN where a model or a planner does not say."""

    model_error: Array  # one-step error on the fresh steps, before they were learnt from
    reward_error: Array  # likewise of the reward, in its standard deviations
    coverage: Array  # share of the fresh successors inside the model's 90 % intervals
    model_loss: Array  # what the model was fitted by
    predicted_return: Array  # what the model promised of the fresh steps
    obtained_return: Array  # what came of them
    model_steps: Array  # simulated steps, by the planner or the search within the model
    simulation_gap: Array  # value in the model minus the true one, where that is known
    simulation_bound: Array  # what the gap's absolute value is never above


class ModelBased(SearchMethod[ModelBasedState, Any]):
    r"""Learns the dynamics, plans in what it has learnt, acts, and learns from that.

    .. math:: \hat p_\theta \approx p \text{ from } \{(s, a, r, s')\}, \qquad
              a_t = \text{plan}(\hat p_\theta, s_t), \qquad \text{and again}

    Every iteration takes `n_steps` in the environment, refits the model to everything seen so far
    and plans in it. The first `learning_starts` steps are taken at random. The model
    and what plans in it are named; each has settings of its own (`--model.NAME`,
    `--planner.NAME`). A planner acts by planning at every step; a search method in its place is
    trained within the model after each fit (the form of Dyna and of MBPO). No guarantee: a policy
    that is optimal in the model is as good as the model is right where it leads, which
    `predicted_return` beside `obtained_return` shows.

    Attributes:
      model: a registered model; None for the one that fits the spaces: a table for numbered states
        and actions, an ensemble of networks for all others. Static.
      planner: a registered planner, `"value-iteration"`, or a search method; None for what fits the
        model. Static.
      n_steps: environment steps per iteration. Static.
      learning_starts: steps before anything is planned.
      start: how these are taken: `"random"`, evenly over the actions, or by the start `"policy"`,
        as with `start_from`. Static.
      epsilon: share of random actions from then on, while it collects.
      buffer_size: steps kept, from which models that want batches draw. Static.
      iterations_per_fit: iterations of a search method in the model after each fit. Static.
      model_settings: of the model, by name. Static.
      planner_settings: of the planner or the method, by name. Static.

    Raises:
      UpslopeError: from `configure`: an unknown name or setting, a model that cannot be of these
        spaces, a planner that cannot plan in the model, a start policy with memory, or one without
        the score that a search method in the model follows.

    References:
      Sutton and Barto (2018), chapter 8; Deisenroth et al. (2013), section 3; Chua et al. (2018)
      for ensembles and cem; Janner et al. (2019) for searches within the model.
    """

    name: ClassVar[str] = "model-based"
    defaults: ClassVar[Defaults] = Defaults(
        total_timesteps=2000, evaluations=2, evaluation_episodes=5, final_episodes=20
    )
    parts: ClassVar[Mapping[str, Part]] = MappingProxyType(
        {"model": Part(find_model), "planner": Part(find_planner, hide=GIVEN)}
    )
    model: str | None = eqx.field(static=True, default=None)
    planner: str | None = eqx.field(static=True, default=None)
    n_steps: int = eqx.field(static=True, default=50)
    learning_starts: int | Array = 100
    start: Literal["random", "policy"] = eqx.field(static=True, default="random")
    epsilon: float | Array = 0.05
    buffer_size: int = eqx.field(static=True, default=100_000)
    iterations_per_fit: int = eqx.field(static=True, default=20)
    model_settings: Frozen = eqx.field(static=True, default=(), converter=frozen)
    planner_settings: Frozen = eqx.field(static=True, default=(), converter=frozen)
    blank: Model | None = eqx.field(init=False)
    way: AnyWay | None = eqx.field(init=False)

    def __post_init__(self) -> None:
        self.blank = self.way = None

    def __check_init__(self) -> None:
        for name in ("n_steps", "buffer_size", "iterations_per_fit"):
            check_number("ModelBased", name, getattr(self, name), at_least=1, integer=True)
        check_number("ModelBased", "learning_starts", self.learning_starts, at_least=0)
        check_number("ModelBased", "epsilon", self.epsilon, at_least=0, at_most=1)
        check_choice("ModelBased", "start", self.start, ("random", "policy"))

    @property
    def experience(self) -> Steps | Replay:
        fresh = Steps(1, self.n_steps)
        if self.blank is None or not self.blank.n_batches:
            return fresh
        return Replay(fresh, self.buffer_size, self.blank.n_batches, self.blank.batch_size)

    @property
    def follows_score(self) -> bool:
        """Itself never; a search method within the model is asked in `configure`."""
        return False

    def configure(self, spec: ProblemSpec) -> ModelBased:
        if self.start == "policy" and getattr(spec.policy, "has_memory", False):
            raise UpslopeError(
                "ModelBased got a start policy with memory: models are of what is observed now. "
                "Use a policy without, such as 'softmax' or 'gaussian'."
            )
        model = model_for(self.model, self.model_settings, spec)
        way = way_for(self.planner, self.planner_settings, model, spec, self.iterations_per_fit)
        return eqx.tree_at(
            lambda method: (method.blank, method.way),
            self,
            (model, way),
            is_leaf=lambda node: node is None,
        )

    def _configured(self) -> tuple[Model, AnyWay]:
        if self.blank is None or self.way is None:
            raise UpslopeError("ModelBased must be configured for a problem before it searches.")
        return self.blank, self.way

    def init(self, key: Key, policy: Policy, objective: Objective) -> ModelBasedState:
        blank, way = self._configured()
        model_key, plan_key = jax.random.split(key)
        model = blank.initialize(model_key)
        planning = way.init(plan_key, policy, model, objective)
        return ModelBasedState(
            policy=policy,
            model=model,
            planning=planning,
            steps=jnp.zeros((), int),
            running=RunningReturns.start(1),
        )

    def ask(self, key: Key, state: ModelBasedState) -> StartThen:
        _, way = self._configured()
        actor = way.explorer(state.planning, state.model)
        anything = RandomActions.of(state.model)
        first = state.policy if self.start == "policy" else anything
        started = state.steps >= self.learning_starts
        return StartThen(first, actor, anything, started, self.epsilon)

    def tell(
        self,
        key: Key,
        state: ModelBasedState,
        candidates: StartThen,
        experience: Trajectories | Replayed,
        objective: Objective,
    ) -> tuple[ModelBasedState, ModelBasedDiagnostics]:
        _, way = self._configured()
        replayed = isinstance(experience, Replayed)
        fresh = experience.fresh if replayed else experience
        batches = experience.batches if replayed else None
        running, ended = go_on(state.running, fresh, objective.discount)
        foreseen = way.foresight(state.planning, fresh, ended, objective)
        fit_key, plan_key = jax.random.split(key)
        model, fit = state.model.update(fit_key, fresh, batches)
        planning, simulated = way.improve(plan_key, state.planning, model, objective)
        audit = way.audit(planning, model, objective)
        said = jax.tree.map(lambda of: jnp.where(candidates.started, of, jnp.nan), foreseen)
        diagnostics = ModelBasedDiagnostics(
            model_error=fit.model_error,
            reward_error=fit.reward_error,
            coverage=fit.coverage,
            model_loss=fit.loss,
            predicted_return=said.predicted_return,
            obtained_return=said.obtained_return,
            model_steps=simulated + self.n_steps * way.steps_per_action,
            simulation_gap=audit.gap,
            simulation_bound=audit.bound,
        )
        steps = state.steps + self.n_steps
        after = state._replace(model=model, planning=planning, steps=steps, running=running)
        return after, diagnostics

    def solution(self, state: ModelBasedState) -> Actor:
        _, way = self._configured()
        return way.solution(state.planning, state.model)
