"""Dyna-Q: Q-learning from real steps, and from steps that a learned model simulates."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key
from upslope.core.checks import check_choice, check_number
from upslope.core.records import Trajectories
from upslope.objectives.objective import Objective
from upslope.policies.tabular_epsilon_greedy import TabularEpsilonGreedy
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.search.value_based.observed_model import (
    MODEL_KINDS,
    ModelKind,
    ObservedModel,
    Simulated,
    draw_pairs,
    no_observations,
    observe,
    simulate,
)
from upslope.search.value_based.tabular_method import (
    Counts,
    TabularMethod,
    entry,
    moved,
    only_transition,
)


class DynaState(NamedTuple):
    """The table, the model, and the clock of the whole experiment."""

    values: Float[Array, "S A"]  # q
    counts: Counts  # [S, A] int: updates of each pair; () with a constant learning rate
    model: ObservedModel
    steps: Int[Array, ""]  # taken: the clock, which no episode restarts


class DynaDiagnostics(NamedTuple):
    """What is looked at while a table and a model are learned."""

    td_error: Array  # |target - q(s, a)| of the real step, before its update
    action_value: Array  # q(s, a) after it
    reward: Array  # of the real step
    model_steps: Array  # simulated updates per real step
    known_states: Array  # how many the model knows
    epsilon: float | Array  # share of random actions
    learning_rate: Array  # of the real step's update


class DynaQ(TabularMethod[DynaState, Trajectories]):
    r"""Dyna-Q: each real step updates the table and a model, which then simulates n more updates.

    .. math:: Q(S, A) \leftarrow Q(S, A) + \alpha \big[R + \gamma \max_a Q(S', a) - Q(S, A)\big],
              \qquad R, S' = Model(S, A)

    for a state S that was visited and an action A that was tried there, both drawn uniformly:
    pairs never seen stay out. Planning draws from a random stream of its own, so that runs with
    different n are the same until planning has changed a choice, and n = 0 is Q-learning to the
    bit. Simulated updates are counted apart from steps (`model_steps`). Converges to the optimal
    values of the model, which are those of the world once that is known.

    Attributes:
      planning_steps: n, simulated updates per real step. Static.
      model: `"last"` predicts the last outcome of each pair, right in a deterministic world and in
        one that changes; `"sampled"` draws an outcome in proportion to its count; `"expected"`
        takes the mean over all of them. Static.
      n_outcomes: different outcomes of a pair that a counting model keeps. Static.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Sutton (1990); Sutton and Barto (2018), section 8.2 and the box "Tabular Dyna-Q".
    """

    name: ClassVar[str] = "dyna-q"
    plans_untried: ClassVar[bool] = False
    planning_steps: int = eqx.field(static=True, default=5)
    model: ModelKind = eqx.field(static=True, default="last")
    n_outcomes: int = eqx.field(static=True, default=8)

    def __check_init__(self) -> None:
        owner = type(self).__name__
        check_number(owner, "planning_steps", self.planning_steps, at_least=0, integer=True)
        check_number(owner, "n_outcomes", self.n_outcomes, at_least=1, integer=True)
        check_choice(owner, "model", self.model, MODEL_KINDS)

    def init(self, key: Key, policy: TabularSoftmax, objective: Objective) -> DynaState:
        values = self.start_table(policy)
        n_outcomes = 1 if self.model == "last" else self.n_outcomes
        return DynaState(
            values=values,
            counts=self.start_counts(values),
            model=no_observations(values.shape[0], values.shape[1], n_outcomes),
            steps=jnp.zeros((), int),
        )

    def ask(self, key: Key, state: DynaState) -> TabularEpsilonGreedy:
        return self.actor(state.values, state.steps)

    def tell(
        self,
        key: Key,
        state: DynaState,
        candidates: TabularEpsilonGreedy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[DynaState, DynaDiagnostics]:
        step = only_transition(experience, objective)
        target = step.reward + step.bootstrap * jnp.max(state.values[step.successor])
        before = entry(state.values, step.state, step.action)
        error = target - before
        rate, counts = self.learning_rate_of(state.counts, step.state, step.action)
        values = moved(state.values, step.state, step.action, rate, error)
        steps = state.steps + 1
        model = observe(state.model, step, steps, self.model)
        values, counts = self._plan(key, values, counts, model, steps, objective.discount)
        diagnostics = DynaDiagnostics(
            td_error=jnp.abs(error),
            action_value=before + rate * error,
            reward=step.reward,
            model_steps=jnp.asarray(self.planning_steps, float),
            known_states=model.visited.n_states,
            epsilon=candidates.epsilon,
            learning_rate=rate,
        )
        return DynaState(values, counts, model, steps), diagnostics

    def _plan(
        self,
        key: Key,
        values: Float[Array, "S A"],
        counts: Counts,
        model: ObservedModel,
        clock: Array,
        gamma: float | Array,
    ) -> tuple[Float[Array, "S A"], Counts]:
        """The table and its counts after n simulated updates."""
        if self.planning_steps == 0:
            return values, counts
        n_words = 2 if self.model == "sampled" else 1
        words = jax.random.bits(key, (n_words, self.planning_steps), jnp.uint32)
        state, action = draw_pairs(model.visited, words[0], untried=self.plans_untried)
        drawn = simulate(model.outcomes, state, action, words[-1], self.model)
        # The model stands still while it is planned in: only the values are looked up one by one.
        drawn = drawn._replace(
            reward=drawn.reward + self._bonus(model, state, action, clock),
            weight=gamma * drawn.weight,
        )

        def update(
            carry: tuple[Array, Counts], now: Simulated
        ) -> tuple[tuple[Array, Counts], None]:
            values, counts = carry
            best = jnp.max(values[now.successor], axis=-1)  # [K]
            target = now.reward + jnp.sum(now.weight * best)
            rate, counts = self.learning_rate_of(counts, now.state, now.action)
            error = target - values[now.state, now.action]
            return (moved(values, now.state, now.action, rate, error), counts), None

        carry, _ = jax.lax.scan(update, (values, counts), drawn)
        return carry

    def _bonus(
        self, model: ObservedModel, state: Array, action: Array, clock: Array
    ) -> float | Array:
        """What planning adds to the rewards of pairs, [n]."""
        return 0.0

    def solution(self, state: DynaState) -> TabularSoftmax:
        return TabularSoftmax(state.values)
