"""On-policy Monte Carlo control."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key
from upslope.core.records import Trajectories
from upslope.objectives.objective import Objective
from upslope.policies.tabular_epsilon_greedy import TabularEpsilonGreedy
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.sampling.experience import Episodes
from upslope.search.value_based.tabular_method import Counts, TabularMethod, moved


class MonteCarloState(NamedTuple):
    """The table, and how often each pair has been updated."""

    values: Float[Array, "S A"]  # q
    counts: Counts  # [S, A] int: returns that each pair has seen; () with a constant learning rate
    steps: Int[Array, ""]  # taken


class MonteCarloDiagnostics(NamedTuple):
    """What is looked at, means over the visits of an episode."""

    error: Array  # |G - q(s, a)|, before the updates
    action_value: Array  # q(s, a), before them
    epsilon: float | Array  # share of random actions


class MonteCarloControl(TabularMethod[MonteCarloState, Trajectories]):
    r"""Monte Carlo control: the mean of the returns that followed each pair; no bootstrap.

    .. math:: Q(S_t, A_t) \leftarrow Q(S_t, A_t) + \frac{\alpha}{N(S_t, A_t)^\omega}
              \big[G_t - Q(S_t, A_t)\big], \qquad G_t = \sum_{k > t} \gamma^{k-t-1} R_k

    after each episode of the epsilon-greedy policy, for the first visit of each pair or for every
    one. For a fixed policy first-visit returns are independent and their mean unbiased; the mean
    over every visit is biased and consistent. The default learning rate, 1/N, is that mean over
    all episodes, in which returns of early, worse policies stay; a constant one forgets them. What
    a time limit cuts off counts nothing: a value near the limit is that of the truncated episode.

    Attributes:
      first_visit: whether the first visit of each pair in an episode counts alone. Static.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Sutton and Barto (2018), sections 5.1 and 5.4; Singh and Sutton (1996).
    """

    name: ClassVar[str] = "monte-carlo-control"
    learning_rate: float | Array = 1.0
    learning_rate_exponent: float = eqx.field(static=True, default=1.0)
    first_visit: bool = eqx.field(static=True, default=True)

    @property
    def experience(self) -> Episodes:
        return Episodes(n_episodes=1)

    def init(self, key: Key, policy: TabularSoftmax, objective: Objective) -> MonteCarloState:
        values = self.start_table(policy)
        return MonteCarloState(values, self.start_counts(values), jnp.zeros((), int))

    def ask(self, key: Key, state: MonteCarloState) -> TabularEpsilonGreedy:
        return self.actor(state.values, state.steps)

    def tell(
        self,
        key: Key,
        state: MonteCarloState,
        candidates: TabularEpsilonGreedy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[MonteCarloState, MonteCarloDiagnostics]:
        returns = objective.credit(experience, "reward-to-go")[:, 0]  # G, [T]
        states, actions = experience.observation[:, 0], experience.action[:, 0]
        valid = experience.valid[:, 0]
        length = jnp.sum(valid)
        seen = state.values[states, actions]
        first = _first_visits(states, actions, valid, state.values.shape)
        used = first if self.first_visit else valid

        def update(index: Array, carry: tuple[Array, Counts]) -> tuple[Array, Counts]:
            values, counts = carry
            pair = (states[index], actions[index])
            rate, counts = self.learning_rate_of(counts, *pair, used[index])
            return moved(values, *pair, rate, returns[index] - values[pair]), counts

        values, counts = jax.lax.fori_loop(0, length, update, (state.values, state.counts))
        visits = jnp.maximum(jnp.sum(used), 1)
        mean = lambda numbers: jnp.sum(jnp.where(used, numbers, 0.0)) / visits  # noqa: E731
        diagnostics = MonteCarloDiagnostics(
            error=mean(jnp.abs(returns - seen)),
            action_value=mean(seen),
            epsilon=candidates.epsilon,
        )
        steps = state.steps + length.astype(state.steps.dtype)
        return MonteCarloState(values, counts, steps), diagnostics

    def solution(self, state: MonteCarloState) -> TabularSoftmax:
        return TabularSoftmax(state.values)


def _first_visits(states: Array, actions: Array, valid: Array, shape: tuple[int, ...]) -> Array:
    """Which steps [T] are the first of their pair in the episode."""
    time = jnp.arange(states.shape[0])
    never = jnp.full(shape, states.shape[0])
    earliest = never.at[states, actions].min(jnp.where(valid, time, states.shape[0]))
    return valid & (earliest[states, actions] == time)
