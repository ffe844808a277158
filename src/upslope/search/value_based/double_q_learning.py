"""Double Q-learning."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
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
    only_transition,
)


class DoubleQState(NamedTuple):
    """Both tables, and how long they have been learned."""

    values: Float[Array, "S A"]  # the mean of both tables: who acts looks at it
    tables: Float[Array, "2 S A"]  # q_1 and q_2
    counts: Counts  # [2 S, A] int: updates of each pair; () with a constant learning rate
    steps: Int[Array, ""]  # taken


class DoubleQLearning(TabularMethod[DoubleQState, Trajectories]):
    r"""Double Q-learning: two tables, each of which judges what the other one prefers.

    .. math:: Q_1(S, A) \leftarrow Q_1(S, A) + \alpha \Big[R + \gamma
              Q_2\big(S', \arg\max_a Q_1(S', a)\big) - Q_1(S, A)\Big]

    or, by the toss of a coin, the same with the tables exchanged. Acts on their mean, which is the
    solution. The maximum of noisy values is above the maximum of their means, and Q-learning
    bootstraps from it; here the noise that chooses an action is not the noise that values it, so
    that the estimate is below the true maximum in the mean, if it errs. Converges as Q-learning
    does. Nothing follows a terminated step; a truncated one is followed by its true successor.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Van Hasselt (2010); Sutton and Barto (2018), section 6.7.
    """

    name: ClassVar[str] = "double-q"

    def init(self, key: Key, policy: TabularSoftmax, objective: Objective) -> DoubleQState:
        values = self.start_table(policy)
        tables = jnp.stack([values, values])
        counts = self.start_counts(tables.reshape(-1, values.shape[-1]))
        return DoubleQState(values, tables, counts, jnp.zeros((), int))

    def ask(self, key: Key, state: DoubleQState) -> TabularEpsilonGreedy:
        return self.actor(state.values, state.steps)

    def tell(
        self,
        key: Key,
        state: DoubleQState,
        candidates: TabularEpsilonGreedy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[DoubleQState, TabularDiagnostics]:
        step = only_transition(experience, objective)
        mine = jax.random.bits(key, (), jnp.uint32) >> 31  # the coin
        other = 1 - mine
        tables = state.tables
        chosen = jnp.argmax(tables[mine, step.successor])
        target = step.reward + step.bootstrap * tables[other, step.successor, chosen]
        error = target - tables[mine, step.state, step.action]
        row = mine.astype(step.state.dtype) * tables.shape[1] + step.state
        rate, counts = self.learning_rate_of(state.counts, row, step.action)
        tables = tables.at[mine, step.state, step.action].add(rate * error)
        mean = jnp.mean(tables[:, step.state, step.action])
        values = state.values.at[step.state, step.action].set(mean)
        diagnostics = TabularDiagnostics(
            td_error=jnp.abs(error),
            action_value=values[step.state, step.action],
            reward=step.reward,
            epsilon=candidates.epsilon,
            learning_rate=rate,
        )
        return DoubleQState(values, tables, counts, state.steps + 1), diagnostics

    def solution(self, state: DoubleQState) -> TabularSoftmax:
        return TabularSoftmax(state.values)
