"""Dyna-Q: learn from each step, then from steps that a learnt model imagines."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Trajectories
from upslope.objectives.objective import Objective
from upslope.policies.epsilon_greedy import EpsilonGreedy
from upslope.policies.policy import Policy
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.sampling.experience import Steps
from upslope.search.search_method import Defaults, ProblemSpec, SearchMethod


class TableModel(NamedTuple):
    """What came last of each state and action, and which pairs were tried."""

    reward: Array  # [S A]
    following: Array  # [S A] int
    terminated: Array  # [S A] bool
    tried: Array  # [S A] int: the pairs tried, in the order of their first time
    rank: Array  # [S A] int: 1 + a pair's place in `tried`, 0 for none
    n_tried: Array  # scalar int


class DynaQState(NamedTuple):
    """What the next iteration needs."""

    q: Array  # [S, A]
    model: TableModel


class DynaQDiagnostics(NamedTuple):
    """What its users look at."""

    td_error: Array  # of the real step
    known: Array  # pairs that the model knows


class DynaQ(SearchMethod[DynaQState, Trajectories]):
    r"""Q-learning on real steps and, after each one, on steps of a deterministic model.

    Attributes:
      planning_steps: n, imagined steps after each real one. Static.
      learning_rate: alpha.
      epsilon: share of random actions.

    References:
      Sutton and Barto (2018), section 8.2, "Tabular Dyna-Q".
    """

    name: ClassVar[str] = "dyna-q-sketch"
    defaults: ClassVar[Defaults] = Defaults(policy="tabular-softmax", objective="discounted")
    planning_steps: int = eqx.field(static=True, default=5)
    learning_rate: float | Array = 0.1
    epsilon: float | Array = 0.1

    def __check_init__(self) -> None:
        check_number("DynaQ", "planning_steps", self.planning_steps, at_least=0, integer=True)
        check_number("DynaQ", "learning_rate", self.learning_rate, above=0, at_most=1)
        check_number("DynaQ", "epsilon", self.epsilon, at_least=0, at_most=1)

    @property
    def experience(self) -> Steps:
        return Steps(1, 1)

    def configure(self, spec: ProblemSpec) -> DynaQ:
        if not isinstance(spec.policy, TabularSoftmax):
            raise UpslopeError(f"DynaQ needs a table, and got a {type(spec.policy).__name__}.")
        return self

    def init(self, key: Key, policy: Policy, objective: Objective) -> DynaQState:
        assert isinstance(policy, TabularSoftmax)
        pairs = policy.logits.size
        none = jnp.zeros(pairs, int)
        model = TableModel(
            reward=jnp.zeros(pairs),
            following=none,
            terminated=jnp.zeros(pairs, bool),
            tried=none,
            rank=none,
            n_tried=jnp.zeros((), int),
        )
        return DynaQState(policy.logits, model)

    def ask(self, key: Key, state: DynaQState) -> EpsilonGreedy:
        # Ties are broken at random, as in the book: argmax alone takes the first one for ever.
        jitter = 1e-6 * jax.random.uniform(key, state.q.shape)
        return EpsilonGreedy(TabularSoftmax(state.q + jitter), self.epsilon, state.q.shape[1])

    def tell(
        self,
        key: Key,
        state: DynaQState,
        candidates: EpsilonGreedy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[DynaQState, DynaQDiagnostics]:
        n_actions = state.q.shape[1]
        step = jax.tree.map(
            lambda leaf: leaf[0, 0], experience._replace(memory=(), extras=(), restarted=None)
        )
        pair = step.observation * n_actions + step.action
        q, error = self._learn(
            state.q, pair, step.reward, step.next_observation, step.terminated, objective
        )
        model = learn(state.model, pair, step)

        def imagine(q: Array, key: Key) -> tuple[Array, None]:
            drawn = model.tried[jax.random.randint(key, (), 0, model.n_tried)]
            q, _ = self._learn(
                q,
                drawn,
                model.reward[drawn],
                model.following[drawn],
                model.terminated[drawn],
                objective,
            )
            return q, None

        q, _ = jax.lax.scan(imagine, q, jax.random.split(key, self.planning_steps))
        return DynaQState(q, model), DynaQDiagnostics(jnp.abs(error), model.n_tried)

    def _learn(
        self,
        q: Array,
        pair: Array,
        reward: Array,
        following: Array,
        terminated: Array,
        objective: Objective,
    ) -> tuple[Array, Array]:
        """One step of Q-learning, and its error."""
        s, a = pair // q.shape[1], pair % q.shape[1]
        ahead = jnp.where(terminated, 0.0, objective.discount * jnp.max(q[following]))
        error = reward + ahead - q[s, a]
        return q.at[s, a].add(self.learning_rate * error), error

    def solution(self, state: DynaQState) -> Policy:
        return TabularSoftmax(state.q)


def learn(model: TableModel, pair: Array, step: Trajectories) -> TableModel:
    """The model that knows one more step."""
    first_time = model.rank[pair] == 0
    rank = jnp.where(first_time, model.n_tried + 1, model.rank[pair])
    return TableModel(
        reward=model.reward.at[pair].set(step.reward),
        following=model.following.at[pair].set(step.next_observation),
        terminated=model.terminated.at[pair].set(step.terminated),
        tried=model.tried.at[rank - 1].set(pair),
        rank=model.rank.at[pair].set(rank),
        n_tried=model.n_tried + first_time,
    )
