"""What is made of a fitted model: the contract of decision-time and of background planning."""

from __future__ import annotations

import abc
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.records import Trajectories
from upslope.models.model import Model
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.search.model_based.audit import Audit
from upslope.search.model_based.foresight import EndedReturns, Foresight

State = TypeVar("State")


class WayOfPlanning(eqx.Module, Generic[State]):
    """Turns a fitted model into something that acts.

    Decision-time planning leaves all the work to the moment of acting; background planning improves
    a policy or a table whenever the model has been refitted (Sutton and Barto, section 8.8). Pure,
    like methods: a part of the compiled loop.
    """

    @abc.abstractmethod
    def init(self, key: Key, policy: Policy, model: Model, objective: Objective) -> State:
        """What it remembers between two fits. The key is consumed.

        Args:
          policy: what the search starts from.
        """

    @abc.abstractmethod
    def improve(
        self, key: Key, state: State, model: Model, objective: Objective
    ) -> tuple[State, Array]:
        """After the model has been refitted; also how many steps were simulated, a scalar."""

    @abc.abstractmethod
    def explorer(self, state: State, model: Model) -> Actor:
        """What collects the next steps."""

    @abc.abstractmethod
    def solution(self, state: State, model: Model) -> Actor:
        """What is kept."""

    @abc.abstractmethod
    def foresight(
        self, state: State, fresh: Trajectories, ended: EndedReturns, objective: Objective
    ) -> Foresight:
        """What was predicted of fresh steps before they were taken, and what was obtained.

        Args:
          state: when the steps were taken.
          fresh: [T, N, ...], of `explorer`.
          ended: episodes that came to their end in them.
        """

    def audit(self, state: State, model: Model, objective: Objective) -> Audit:
        """How far the model is off for the present solution, where the truth is known."""
        nothing = jnp.full((), jnp.nan)
        return Audit(nothing, nothing, nothing)

    @property
    @abc.abstractmethod
    def steps_per_action(self) -> int:
        """Simulated steps for each step that is taken."""


AnyWay = WayOfPlanning[Any]
