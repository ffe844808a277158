"""Expected SARSA."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key
from upslope.core.records import Trajectories
from upslope.objectives.objective import Objective
from upslope.policies.tabular_epsilon_greedy import (
    TabularEpsilonGreedy,
    epsilon_greedy_probabilities,
)
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.search.value_based.tabular_method import (
    Counts,
    TabularDiagnostics,
    TabularMethod,
    entry,
    moved,
    only_transition,
)


class ExpectedSarsaState(NamedTuple):
    """The table, and how long it has been learned."""

    values: Float[Array, "S A"]  # q
    counts: Counts  # [S, A] int: updates of each pair; () with a constant learning rate
    steps: Int[Array, ""]  # taken


class ExpectedSarsa(TabularMethod[ExpectedSarsaState, Trajectories]):
    r"""Expected SARSA: towards the mean, over the policy, of the values that follow.

    .. math:: Q(S, A) \leftarrow Q(S, A) + \alpha \Big[R + \gamma \sum_a \pi(a \mid S') Q(S', a)
              - Q(S, A)\Big]

    with pi the epsilon-greedy policy that acts. SARSA's target without the noise of the next
    action: the same mean, a smaller variance, so that larger learning rates do; in a deterministic
    world a rate of 1 does. With epsilon = 0 it is Q-learning. Converges as SARSA does. Nothing
    follows a terminated step; a truncated one is followed by its true successor.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Van Seijen et al. (2009); Sutton and Barto (2018), section 6.6.
    """

    name: ClassVar[str] = "expected-sarsa"

    def init(self, key: Key, policy: TabularSoftmax, objective: Objective) -> ExpectedSarsaState:
        values = self.start_table(policy)
        return ExpectedSarsaState(values, self.start_counts(values), jnp.zeros((), int))

    def ask(self, key: Key, state: ExpectedSarsaState) -> TabularEpsilonGreedy:
        return self.actor(state.values, state.steps)

    def tell(
        self,
        key: Key,
        state: ExpectedSarsaState,
        candidates: TabularEpsilonGreedy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[ExpectedSarsaState, TabularDiagnostics]:
        step = only_transition(experience, objective)
        after = state.values[step.successor]
        expected = jnp.sum(epsilon_greedy_probabilities(after, candidates.epsilon) * after)
        target = step.reward + step.bootstrap * expected
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
        return ExpectedSarsaState(values, counts, state.steps + 1), diagnostics

    def solution(self, state: ExpectedSarsaState) -> TabularSoftmax:
        return TabularSoftmax(state.values)
