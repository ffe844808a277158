"""What methods of one table and one-step targets share: all but what follows a step."""

from __future__ import annotations

import abc
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key
from upslope.core.records import Trajectories
from upslope.objectives.objective import Objective
from upslope.policies.tabular_epsilon_greedy import TabularEpsilonGreedy
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.search.value_based.tabular_method import (
    Counts,
    TabularDiagnostics,
    TabularMethod,
    entry,
    moved,
    only_transition,
)


class TableState(NamedTuple):
    """The table, and how long it has been learned."""

    values: Float[Array, "S A"]  # q
    counts: Counts  # [S, A] int: updates of each pair; () with a constant learning rate
    steps: Int[Array, ""]  # taken


class OneStepControl(TabularMethod[TableState, Trajectories]):
    r"""Control by one-step temporal differences, whatever the value of the next state is.

    .. math:: Q(S, A) \leftarrow Q(S, A) + \alpha \big[R + \gamma V(S') - Q(S, A)\big]

    Nothing follows a terminated step; a truncated one is followed by its true successor.
    """

    @abc.abstractmethod
    def value_after(
        self, values: Float[Array, " A"], epsilon: float | Float[Array, ""]
    ) -> Float[Array, ""]:
        """V(S'), given q(S', .) and the share of random actions with which it acts."""

    def init(self, key: Key, policy: TabularSoftmax, objective: Objective) -> TableState:
        values = self.start_table(policy)
        return TableState(values, self.start_counts(values), jnp.zeros((), int))

    def ask(self, key: Key, state: TableState) -> TabularEpsilonGreedy:
        return self.actor(state.values, state.steps)

    def tell(
        self,
        key: Key,
        state: TableState,
        candidates: TabularEpsilonGreedy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[TableState, TabularDiagnostics]:
        step = only_transition(experience, objective)
        following = self.value_after(state.values[step.successor], candidates.epsilon)
        target = step.reward + step.bootstrap * following
        error = target - entry(state.values, step.state, step.action)
        rate, counts = self.learning_rate_of(state.counts, step.state, step.action)
        values = moved(state.values, step.state, step.action, rate, error)
        diagnostics = TabularDiagnostics(
            td_error=jnp.abs(error),
            action_value=values[step.state, step.action],
            reward=step.reward,
            epsilon=candidates.epsilon,
            learning_rate=rate,
        )
        return TableState(values, counts, state.steps + 1), diagnostics

    def solution(self, state: TableState) -> TabularSoftmax:
        return TabularSoftmax(state.values)
