"""What methods that learn a table of action values share."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from gymnasium import spaces
from jax import Array
from jaxtyping import Float, Int, Shaped

from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Trajectories
from upslope.objectives.objective import Objective
from upslope.policies.tabular_epsilon_greedy import TabularEpsilonGreedy
from upslope.policies.tabular_softmax import TabularSoftmax
from upslope.sampling.experience import ExperienceSpec, Steps
from upslope.search.gradient.ascent import Schedule, check_schedule, scheduled
from upslope.search.search_method import Defaults, Experience, ProblemSpec, SearchMethod, State

# Updates of each pair [S, A]; () where no learning rate asks for them.
Counts: TypeAlias = Array | tuple[()]


class Transition(NamedTuple):
    """One step, as a table sees it; scalars."""

    state: Int[Array, ""]
    action: Int[Array, ""]
    reward: Float[Array, ""]
    successor: Int[Array, ""]
    continuation: Float[Array, ""]  # d, what gamma is multiplied with; 0 where the process ended
    bootstrap: Float[Array, ""]  # gamma d of the value that a target adds; 0 where it adds none
    ended: Array  # bool: the next step is the first of another episode


class TabularDiagnostics(NamedTuple):
    """What is looked at while a table is learned."""

    td_error: Array  # |target - q(s, a)| of the real step, before its update
    action_value: Array  # q(s, a) after it
    reward: Array  # of the step
    epsilon: float | Array  # share of random actions
    learning_rate: Array  # of the update


class TabularMethod(SearchMethod[State, Experience]):
    """Base of the methods that learn q(s, a) in a table, one number for each state and action.

    The policy is a `TabularSoftmax` whose preferences are the action values; acting is
    epsilon-greedy with ties broken at random, and the solution acts greedily on its mode.

    Attributes:
      learning_rate: alpha, the share of the way to its target that a value moves.
      learning_rate_exponent: omega; the n-th update of a pair moves it by alpha / n^omega. 0 is a
        constant rate, which follows a world that changes; 1 is the sample mean. Values converge
        with probability 1 for omega in (1/2, 1]. Static.
      epsilon: share of random actions.
      epsilon_schedule: `"linear"` falls to zero at `total_timesteps`. Static.
      initial_value: what is added to the table that the search starts from. Optimistic values,
        above all that can be reached, make it try everything.
      total_timesteps: the budget, for epsilon's schedule.
    """

    defaults: ClassVar[Defaults] = Defaults(
        policy="tabular-softmax", objective="discounted", example="dyna-maze"
    )
    writes_by_index: ClassVar[bool] = True
    learning_rate: float | Array = 0.1
    learning_rate_exponent: float = eqx.field(static=True, default=0.0)
    epsilon: float | Array = 0.1
    epsilon_schedule: Schedule = eqx.field(static=True, default="constant")
    initial_value: float | Array = 0.0
    total_timesteps: float | Array = 100_000.0

    def __check_init__(self) -> None:
        owner = type(self).__name__
        check_number(owner, "learning_rate", self.learning_rate, above=0, at_most=1)
        check_number(
            owner, "learning_rate_exponent", self.learning_rate_exponent, at_least=0, at_most=1
        )
        check_number(owner, "epsilon", self.epsilon, at_least=0, at_most=1)
        check_number(owner, "initial_value", self.initial_value)
        check_number(owner, "total_timesteps", self.total_timesteps, above=0)
        check_schedule(self, "epsilon_schedule")

    @property
    def experience(self) -> ExperienceSpec:
        return Steps(n_envs=1, n_steps=1)

    def configure(self, spec: ProblemSpec) -> SearchMethod[State, Experience]:
        for what, space in (
            ("observations", spec.observation_space),
            ("actions", spec.action_space),
        ):
            if not isinstance(space, spaces.Discrete):
                raise UpslopeError(
                    f"{self.name} learns a table with a row for each observation and a column for "
                    f"each action, both numbered (Discrete), and got {what} {space}. Use dqn or "
                    "ppo, or wrap the environment so that its observations are bins."
                )
        if not isinstance(spec.policy, TabularSoftmax):
            raise UpslopeError(
                f"{self.name} learns the table of a policy 'tabular-softmax', and got "
                f"{type(spec.policy).__name__}: leave the policy out, or use dqn for a network."
            )
        if spec.objective.differential:
            raise UpslopeError(
                f"{self.name} learns values of sums of rewards, and the objective "
                f"{spec.objective.name!r} is an average: use --objective discounted, or ppo."
            )
        return self

    def start_table(self, policy: TabularSoftmax) -> Float[Array, "S A"]:
        """The values at the beginning."""
        return jnp.asarray(policy.logits) + self.initial_value

    def start_counts(self, values: Float[Array, "S A"]) -> Counts:
        """How often each pair has been updated [S, A]; () where no learning rate asks for it."""
        return jnp.zeros(values.shape, int) if self.learning_rate_exponent else ()

    def learning_rate_of(
        self, counts: Counts, state: Array, action: Array, counted: Array | bool = True
    ) -> tuple[Array, Counts]:
        """alpha / n^omega of a pair's next update, and the counts with that one.

        Where the update is not `counted`, the rate is 0 and the counts stay as they are.
        """
        rate = jnp.where(counted, jnp.asarray(self.learning_rate, float), 0.0)
        if not self.learning_rate_exponent:
            return rate, counts
        assert isinstance(counts, Array)
        count = counts[state, action] + jnp.asarray(counted, int)
        rate = rate / jnp.maximum(count, 1).astype(rate.dtype) ** self.learning_rate_exponent
        return rate, counts.at[state, action].set(count)

    def epsilon_at(self, steps: Array) -> Array:
        """epsilon after that many steps."""
        return scheduled(
            self.epsilon, self.epsilon_schedule, steps.astype(float), self.total_timesteps
        )

    def actor(self, values: Float[Array, "S A"], steps: Array) -> TabularEpsilonGreedy:
        """Who acts on a table after that many steps."""
        return TabularEpsilonGreedy(TabularSoftmax(values), self.epsilon_at(steps))


def only_transition(steps: Trajectories, objective: Objective) -> Transition:
    """The step of trajectories of [1, 1].

    Nothing follows a terminated step; a truncated one is followed by its true successor, unless
    the objective ends there too.
    """
    step = jax.tree.map(lambda leaf: leaf[0, 0], steps._replace(memory=(), restarted=None))
    discount = jnp.ones(()) if step.discount is None else step.discount
    continuation = jnp.where(step.terminated, 0.0, discount)
    bootstrap = objective.discount * continuation
    if not objective.bootstrap_on_truncation:
        bootstrap = jnp.where(step.truncated, 0.0, bootstrap)
    return Transition(
        state=step.observation,
        action=step.action,
        reward=step.reward,
        successor=step.next_observation,
        continuation=continuation,
        bootstrap=bootstrap,
        ended=step.terminated | step.truncated,
    )


def moved(
    values: Float[Array, "S A"], state: Array, action: Array, rate: Array, error: Array
) -> Float[Array, "S A"]:
    """The table with q(s, a) moved by a share of its error."""
    return values.at[state, action].add(rate * error)


def entry(table: Shaped[Array, "S A"], state: Array, action: Array) -> Shaped[Array, ""]:
    """The entry of a pair, as the maximum over its row alone.

    XLA computes a reduction once, where it would read a single entry again for each of its uses,
    some of them after the table has changed: it would copy the whole table at every step.
    """
    row = table[state]
    least = -jnp.inf if jnp.issubdtype(row.dtype, jnp.floating) else jnp.iinfo(row.dtype).min
    return jnp.max(jnp.where(jnp.arange(row.shape[0]) == action, row, least))
