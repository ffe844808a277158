"""Q-learning in a table."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

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


class QLearningState(NamedTuple):
    """The table, and how long it has been learned."""

    values: Float[Array, "S A"]  # q
    counts: Counts  # [S, A] int: updates of each pair; () with a constant learning rate
    steps: Int[Array, ""]  # taken


class QLearning(TabularMethod[QLearningState, Trajectories]):
    r"""Q-learning: off-policy control by one-step temporal differences.

    .. math:: Q(S, A) \leftarrow Q(S, A) + \alpha \big[R + \gamma \max_a Q(S', a) - Q(S, A)\big]

    Converges to the optimal action values with probability 1 where every pair is updated for ever
    and the learning rates sum to infinity, their squares not (`learning_rate_exponent` in
    (1/2, 1]); in a deterministic world a constant rate does. Nothing follows a terminated step; a
    truncated one is followed by its true successor.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Watkins and Dayan (1992); Sutton and Barto (2018), section 6.5.
    """

    name: ClassVar[str] = "q-learning"

    def init(self, key: Key, policy: TabularSoftmax, objective: Objective) -> QLearningState:
        values = self.start_table(policy)
        return QLearningState(values, self.start_counts(values), jnp.zeros((), int))

    def ask(self, key: Key, state: QLearningState) -> TabularEpsilonGreedy:
        return self.actor(state.values, state.steps)

    def tell(
        self,
        key: Key,
        state: QLearningState,
        candidates: TabularEpsilonGreedy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[QLearningState, TabularDiagnostics]:
        step = only_transition(experience, objective)
        target = step.reward + step.bootstrap * jnp.max(state.values[step.successor])
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
        return QLearningState(values, counts, state.steps + 1), diagnostics

    def solution(self, state: QLearningState) -> TabularSoftmax:
        return TabularSoftmax(state.values)
