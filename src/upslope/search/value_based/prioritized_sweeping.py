"""Prioritised sweeping: planning where the values are about to change most."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key
from upslope.core.checks import check_number
from upslope.core.records import Trajectories
from upslope.objectives.objective import Objective
from upslope.policies.tabular_epsilon_greedy import TabularEpsilonGreedy
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.search.value_based.dyna_q import DynaDiagnostics
from upslope.search.value_based.observed_model import ObservedModel, no_observations, observe
from upslope.search.value_based.tabular_method import Counts, TabularMethod, moved, only_transition


class SweepingState(NamedTuple):
    """The table, the model and the queue."""

    values: Float[Array, "S A"]  # q
    counts: Counts  # [S, A] int: updates of each pair; () with a constant learning rate
    model: ObservedModel
    priorities: Float[Array, "S A"]  # of the pairs in the queue; 0 of those that are not
    steps: Int[Array, ""]  # taken


class Sweep(NamedTuple):
    """A table under a sweep."""

    values: Float[Array, "S A"]
    counts: Counts
    priorities: Float[Array, "S A"]
    first: tuple[Array, Array]  # the pair of the largest priority
    done: Int[Array, ""]  # updates


class PrioritizedSweeping(TabularMethod[SweepingState, Trajectories]):
    r"""Prioritised sweeping: updates by the model, those that change most first, then what leads
    there.

    .. math:: P = \Big| R + \gamma \max_a Q(S', a) - Q(S, A) \Big|

    is the priority of a pair; where it is above theta the pair waits in a queue. Each real step
    puts its pair there, and up to n times the first of the queue is updated by the model and the
    pairs that the model says lead to its state are given their new priorities. Learns from the
    model alone (n = 0 learns nothing), which keeps the last outcome of each pair: for
    deterministic worlds. There it converges to the optimal action values, up to what theta leaves
    undone.

    The queue is the table of priorities itself: its maximum is the first, and predecessors are
    found by looking at every pair, side by side. An update costs in proportion to S A.

    Attributes:
      planning_steps: n, updates per real step at most. Static.
      theta: the smallest change that is worth an update.

    Raises:
      UpslopeError: from `configure`: observations or actions that are not numbered.

    References:
      Moore and Atkeson (1993); Peng and Williams (1993); Sutton and Barto (2018), section 8.4.
    """

    name: ClassVar[str] = "prioritized-sweeping"
    learning_rate: float | Array = 0.5
    planning_steps: int = eqx.field(static=True, default=5)
    theta: float | Array = 1e-4

    def __check_init__(self) -> None:
        owner = "PrioritizedSweeping"
        check_number(owner, "planning_steps", self.planning_steps, at_least=0, integer=True)
        check_number(owner, "theta", self.theta, at_least=0)

    def init(self, key: Key, policy: TabularSoftmax, objective: Objective) -> SweepingState:
        values = self.start_table(policy)
        return SweepingState(
            values=values,
            counts=self.start_counts(values),
            model=no_observations(values.shape[0], values.shape[1], 1),
            priorities=jnp.zeros_like(values),
            steps=jnp.zeros((), int),
        )

    def ask(self, key: Key, state: SweepingState) -> TabularEpsilonGreedy:
        return self.actor(state.values, state.steps)

    def tell(
        self,
        key: Key,
        state: SweepingState,
        candidates: TabularEpsilonGreedy,
        experience: Trajectories,
        objective: Objective,
    ) -> tuple[SweepingState, DynaDiagnostics]:
        step = only_transition(experience, objective)
        target = step.reward + step.bootstrap * jnp.max(state.values[step.successor])
        error = target - state.values[step.state, step.action]
        steps = state.steps + 1
        model = observe(state.model, step, steps, "last")
        size = jnp.abs(error)
        queued = jnp.where(size > self.theta, size, state.priorities[step.state, step.action])
        priorities = state.priorities.at[step.state, step.action].set(queued)
        after = self._sweep(state.values, state.counts, model, priorities, objective.discount)
        diagnostics = DynaDiagnostics(
            td_error=size,
            action_value=after.values[step.state, step.action],
            reward=step.reward,
            model_steps=after.done.astype(float),
            known_states=model.visited.n_states,
            epsilon=candidates.epsilon,
            learning_rate=jnp.asarray(self.learning_rate, float),
        )
        swept = SweepingState(
            values=after.values,
            counts=after.counts,
            model=model,
            priorities=after.priorities,
            steps=steps,
        )
        return swept, diagnostics

    def _sweep(
        self,
        values: Float[Array, "S A"],
        counts: Counts,
        model: ObservedModel,
        priorities: Float[Array, "S A"],
        gamma: float | Array,
    ) -> Sweep:
        """Up to n updates from the queue."""
        n_actions = values.shape[1]
        successor = model.outcomes.successor[..., 0]
        reward = model.outcomes.reward[..., 0]
        discount = gamma * model.outcomes.continuation[..., 0]
        tried = model.tried_at > 0

        def first_of(priorities: Array) -> tuple[Array, Array]:
            first = jnp.argmax(priorities)
            return first // n_actions, first % n_actions

        def waits(sweep: Sweep) -> Array:
            return (sweep.done < self.planning_steps) & (sweep.priorities[sweep.first] > 0.0)

        def update(sweep: Sweep) -> Sweep:
            values, pair = sweep.values, sweep.first
            target = reward[pair] + discount[pair] * jnp.max(values[successor[pair]])
            rate, counts = self.learning_rate_of(sweep.counts, *pair)
            values = moved(values, *pair, rate, target - values[pair])
            priorities = sweep.priorities.at[pair].set(0.0)
            # What leads here: their targets have moved with the best value of this state.
            best = jnp.max(values[pair[0]])
            change = jnp.abs(reward + discount * best - values)
            leads = tried & (successor == pair[0]) & (change > self.theta)
            priorities = jnp.where(leads, change, priorities)
            return Sweep(
                values=values,
                counts=counts,
                priorities=priorities,
                first=first_of(priorities),
                done=sweep.done + 1,
            )

        start = Sweep(
            values=values,
            counts=counts,
            priorities=priorities,
            first=first_of(priorities),
            done=jnp.zeros((), int),
        )
        return jax.lax.while_loop(waits, update, start)

    def solution(self, state: SweepingState) -> TabularSoftmax:
        return TabularSoftmax(state.values)
