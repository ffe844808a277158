"""Background planning by policy search: any method of the library, trained inside the model."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.records import Trajectories
from upslope.models.model import Model
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.sampling.jax_sampler import JaxSampler
from upslope.search.iteration import iterate
from upslope.search.model_based.foresight import EndedReturns, Foresight
from upslope.search.model_based.way_of_planning import WayOfPlanning
from upslope.search.search_method import SearchMethod


class BackgroundState(NamedTuple):
    """What goes on from fit to fit."""

    method: Any  # the method's own state
    predicted: Array  # scalar: mean return of the last episodes in the model, NaN before any
    start: Policy  # where the search began


class PolicySearchInModel(WayOfPlanning[BackgroundState]):
    """Improves a policy on simulated experience whenever the model has been refitted.

    The form of Dyna and of MBPO: real steps for the model, simulated ones for the policy, which
    goes on from where the last fit left it. A method that tries populations begins anew at the
    start policy: where it has narrowed to belongs to the model before.

    Attributes:
      method: configured for the model.
      iterations: of the method after each fit. Static.
    """

    method: SearchMethod
    iterations: int = eqx.field(static=True)

    def init(self, key: Key, policy: Policy, model: Model, objective: Objective) -> BackgroundState:
        nan = jnp.full((), jnp.nan)
        return BackgroundState(self.method.init(key, policy, objective), nan, policy)

    def improve(
        self, key: Key, state: BackgroundState, model: Model, objective: Objective
    ) -> tuple[BackgroundState, Array]:
        ask_key, start_key, loop_key, init_key = jax.random.split(key, 4)
        method, before = self.method, state.method
        if isinstance(method.experience, EpisodeReturns):
            before = method.init(init_key, state.start, objective)
        actor = method.ask(ask_key, before)
        sampler = JaxSampler.create(start_key, model, method.experience, objective, actor)

        def iteration(
            carry: tuple[Any, JaxSampler], key: Array
        ) -> tuple[tuple[Any, JaxSampler], tuple[Array, Array, Array]]:
            inner, sampler, _ = iterate(key, method, objective, *carry)
            seen = sampler.statistics
            earned = jnp.where(seen.episodes > 0, seen.returns * seen.episodes, 0.0)
            return (inner, sampler), (earned, seen.episodes, seen.steps)

        keys = jax.random.split(loop_key, self.iterations)
        (inner, _), (earned, episodes, steps) = jax.lax.scan(iteration, (before, sampler), keys)
        last = max(self.iterations // 4, 1)  # of policies near the one that is kept
        predicted = jnp.sum(earned[-last:]) / jnp.sum(episodes[-last:])
        predicted = jnp.where(jnp.isnan(predicted), state.predicted, predicted)
        return BackgroundState(inner, predicted, state.start), jnp.sum(steps).astype(float)

    def explorer(self, state: BackgroundState, model: Model) -> Actor:
        return self.method.solution(state.method)

    def solution(self, state: BackgroundState, model: Model) -> Actor:
        return self.method.solution(state.method)

    def foresight(
        self, state: BackgroundState, fresh: Trajectories, ended: EndedReturns, objective: Objective
    ) -> Foresight:
        known = ~jnp.isnan(ended.undiscounted)
        return Foresight(jnp.where(known, state.predicted, jnp.nan), ended.undiscounted)

    @property
    def steps_per_action(self) -> int:
        return 0
