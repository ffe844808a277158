"""Q-learning in a table from remembered steps: the skeleton of a method that replays.

Copy it to `src/upslope/search/<family>/<name>.py`, and say in the first line what yours is.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Replayed
from upslope.objectives.objective import Objective
from upslope.policies.epsilon_greedy import EpsilonGreedy
from upslope.policies.policy import Policy
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.sampling.experience import Replay, Steps
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod


class ReplayedQLearningState(NamedTuple):
    """What the next iteration needs. The buffer is the sampler's, not the method's."""

    policy: TabularSoftmax  # its preferences are q, [S, A]


class ReplayedQLearningDiagnostics(NamedTuple):
    """What its users look at; logged under these names."""

    td_error: Array  # mean |y - q(s, a)| of the remembered steps; 0 before there are any


class ReplayedQLearning(SearchMethod[ReplayedQLearningState, Replayed]):
    r"""Learns action values from each step, and from steps remembered.

    .. math:: q(s, a) \leftarrow q(s, a) + \alpha \, (y - q(s, a)), \qquad
              y = r + \gamma \max_b q(s', b)

    It acts epsilon-greedily and keeps the greedy policy. In a deterministic environment this is
    Dyna-Q whose model is the memory. Nothing is bootstrapped after a terminated step; after a
    truncated one the true successor is.

    Attributes:
      planning_steps: remembered steps learnt from per step taken. Static.
      buffer_size: steps remembered. Static.
      learning_rate: alpha.
      epsilon: share of random actions.

    Raises:
      UpslopeError: from `configure`: a policy that is not a table.

    References:
      Sutton and Barto (2018), section 8.2; Lin (1992) for experience replay.
    """

    name: ClassVar[str] = "replayed-q-learning"
    defaults: ClassVar[Defaults] = Defaults(policy="tabular-softmax", objective="discounted")
    planning_steps: int = eqx.field(static=True, default=10)
    buffer_size: int = eqx.field(static=True, default=10_000)
    learning_rate: float | Array = 0.1
    epsilon: float | Array = 0.1

    def __check_init__(self) -> None:
        owner = "ReplayedQLearning"
        for name in ("planning_steps", "buffer_size"):
            check_number(owner, name, getattr(self, name), at_least=1, integer=True)
        check_number(owner, "learning_rate", self.learning_rate, above=0, at_most=1)
        check_number(owner, "epsilon", self.epsilon, at_least=0, at_most=1)

    @property
    def experience(self) -> Replay:
        return Replay(Steps(1, 1), self.buffer_size, n_batches=1, batch_size=self.planning_steps)

    def configure(self, spec: ProblemSpec) -> ReplayedQLearning:
        if not isinstance(spec.policy, TabularSoftmax):
            raise UpslopeError(
                f"ReplayedQLearning needs a table, policy='tabular-softmax', and got a "
                f"{type(spec.policy).__name__}: use dqn."
            )
        return self

    def init(self, key: Array, policy: Policy, objective: Objective) -> ReplayedQLearningState:
        assert isinstance(policy, TabularSoftmax)
        return ReplayedQLearningState(policy)

    def ask(self, key: Array, state: ReplayedQLearningState) -> EpsilonGreedy:
        logits = state.policy.logits
        # Equal values are told apart at random: argmax alone would take the first action for ever.
        jitter = 1e-6 * jax.random.uniform(key, logits.shape)
        return EpsilonGreedy(TabularSoftmax(logits + jitter), self.epsilon, logits.shape[-1])

    def tell(
        self,
        key: Array,
        state: ReplayedQLearningState,
        candidates: EpsilonGreedy,
        experience: Replayed,
        objective: Objective,
    ) -> tuple[ReplayedQLearningState, ReplayedQLearningDiagnostics]:
        def learn(q: Array, step: tuple[Array, ...]) -> tuple[Array, Array]:
            s, a, reward, following, terminated, discount, weight = step
            ahead = jnp.where(terminated, 0.0, discount * jnp.max(q[following]))
            error = weight * (reward + ahead - q[s, a])
            return q.at[s, a].add(self.learning_rate * error), jnp.abs(error)

        q, errors = state.policy.logits, jnp.zeros(())
        # First the step just taken, then the remembered ones; each is a row of windows [1, ...].
        remembered = jax.tree.map(lambda leaf: leaf[0], experience.batches)
        for steps, weights in (
            (experience.fresh, jnp.ones_like(experience.fresh.reward)),
            (remembered, experience.weights),
        ):
            discount = jnp.broadcast_to(objective.step_discount(steps), steps.reward.shape)
            columns = (
                steps.observation,
                steps.action,
                steps.reward,
                steps.next_observation,
                steps.terminated,
                discount,
                weights,
            )
            q, errors = jax.lax.scan(learn, q, tuple(column[0] for column in columns))
        return (
            ReplayedQLearningState(TabularSoftmax(q)),
            ReplayedQLearningDiagnostics(jnp.mean(errors)),
        )

    def solution(self, state: ReplayedQLearningState) -> Policy:
        return state.policy
