"""The rollout algorithm: one step of policy improvement by simulation."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.actor import Actor
from upslope.core.annotations import EnvironmentState, Key, Memory
from upslope.core.checks import check_number
from upslope.core.static_function import as_module
from upslope.environments.environment import Environment
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.planning.model_checks import check_model, n_discrete_actions, steps_of_playouts
from upslope.planning.planner import Planner, PlannerOutput
from upslope.planning.playouts import play_out, transition_discount
from upslope.planning.simulation import TerminalValue


class RolloutExtras(NamedTuple):
    """What the simulations of each action gave."""

    action_values: Float[Array, " A"]  # mean returns; NaN where an action is illegal
    standard_errors: Float[Array, " A"]  # standard deviation / sqrt(simulations); NaN from one
    simulations: Int[Array, " A"]


class Rollout(Planner):
    r"""The rollout algorithm: try each action, then follow a base policy; take the best.

    .. math:: \hat Q(s, a) = \frac1N \sum_{i=1}^N \Big( r^i_1 + \sum_{t=1}^{H-1} D_t \, r^i_{t+1}
              + D_H V(s^i_H) \Big)

    Only the actions of the present state are evaluated, and nothing is stored: with exact values
    the policy is the base policy improved once, in no state worse (policy improvement theorem),
    and in general not optimal. The standard error of a value is the standard deviation of the
    returns over sqrt(N).

    The i-th simulation of every action uses the same random numbers (common random numbers): what
    the actions share cancels in their differences. With `halving` the same number of simulations
    is spent in rounds, after each of which the worse half of the actions is left out (sequential
    halving).

    In an `AlternatingGame` the base policy moves for both players. A base policy with memory begins
    each simulation with its initial one: what it remembered of the episode is not known here.

    Attributes:
      environment: in which it simulates, with discrete actions.
      objective: whose discount it counts rewards with.
      base: the base policy: any actor, a `PlanningActor` too; None for legal actions at random.
      n_rollouts: N, simulations per action. Static.
      horizon: H, the most steps of one, the first action's included; None for the environment's
        time limit. Static.
      terminal_value: V(state, observation) where a simulation stops short; None for zero.
      halving: whether the worse half of the actions is left out after each round. Static.

    Raises:
      UpslopeError: no simulation, actions that are not discrete, a horizon that nothing says, or an
        environment that cannot be simulated.

    References:
      Sutton and Barto (2018), section 8.10; Tesauro and Galperin (1997), "On-line Policy
      Improvement using Monte-Carlo Search"; Bertsekas, Tsitsiklis and Wu (1997); Karnin, Koren and
      Somekh (2013) for sequential halving.
    """

    plays_for_both: ClassVar[bool] = True
    stops_early: ClassVar[bool] = True
    example: ClassVar[str] = "CartPole-v1"
    environment: Environment
    objective: Objective = EpisodicReturn()
    base: Actor | None = None
    n_rollouts: int = eqx.field(static=True, default=32)
    horizon: int | None = eqx.field(static=True, default=None)
    terminal_value: TerminalValue | None = eqx.field(converter=as_module, default=None)
    halving: bool = eqx.field(static=True, default=False)
    n_actions: int = eqx.field(init=False, static=True)
    n_steps: int = eqx.field(init=False, static=True)

    def __post_init__(self) -> None:
        check_model("Rollout", self.environment)
        check_number("Rollout", "n_rollouts", self.n_rollouts, at_least=1, integer=True)
        if self.horizon is not None:
            check_number("Rollout", "horizon", self.horizon, at_least=1, integer=True)
        self.n_actions = n_discrete_actions("Rollout", self.environment)
        self.n_steps = steps_of_playouts("Rollout", "horizon", self.horizon, self.environment)

    @property
    def rounds(self) -> tuple[tuple[int, int], ...]:
        """How many actions each round simulates, and how often each."""
        if not self.halving or self.n_actions == 1:
            return ((self.n_actions, self.n_rollouts),)
        n_rounds = math.ceil(math.log2(self.n_actions))
        budget = self.n_actions * self.n_rollouts
        actions = [math.ceil(self.n_actions / 2**r) for r in range(n_rounds)]
        return tuple((many, max(1, budget // (n_rounds * many))) for many in actions)

    @property
    def model_steps(self) -> int:
        """At most: simulations end with their episodes."""
        return sum(many * often for many, often in self.rounds) * self.n_steps

    def plan(self, key: Key, state: EnvironmentState, memory: Memory) -> PlannerOutput:
        mask = self.environment.action_mask(state)
        legal = jnp.ones(self.n_actions, bool) if mask is None else mask

        def returns(action: Array, numbers: Array) -> Array:
            """The returns [n] of an action under the nth random numbers."""
            keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(numbers)
            return jax.vmap(lambda key: self.simulate(key, state, action))(keys)

        # Sums of returns less the first one of the action, which cancels rounding in variances.
        zeros = jnp.zeros(self.n_actions)
        count, total, squares, shift = zeros.astype(int), zeros, zeros, zeros
        made = 0
        for number, (many, often) in enumerate(self.rounds):
            mean = jnp.where(count > 0, shift + total / jnp.maximum(count, 1), 0.0)
            _, kept = jax.lax.top_k(jnp.where(legal, mean, -jnp.inf), many)
            found = jax.vmap(returns, (0, None))(kept, made + jnp.arange(often))
            # A simulation that diverged is worth nothing; NaN would win every comparison.
            found = jnp.where(jnp.isnan(found), -jnp.inf, found)
            if number == 0:
                shift = shift.at[kept].set(jnp.where(jnp.isfinite(found[:, 0]), found[:, 0], 0.0))
            away = found - shift[kept][:, None]
            count = count.at[kept].add(often)
            total = total.at[kept].add(jnp.sum(away, axis=1))
            squares = squares.at[kept].add(jnp.sum(jnp.square(away), axis=1))
            made += often
        mean = shift + total / jnp.maximum(count, 1)
        variance = (squares - jnp.square(total) / jnp.maximum(count, 1)) / (count - 1)
        errors = jnp.sqrt(jnp.maximum(variance, 0.0) / count)
        # Those that were left out stay behind those that were simulated to the end.
        among = legal & (count == jnp.max(jnp.where(legal, count, 0)))
        action = jnp.argmax(jnp.where(among, mean, -jnp.inf))
        # Where every simulation diverged, the first legal action.
        action = jnp.where(among[action], action, jnp.argmax(among))
        extras = RolloutExtras(
            jnp.where(legal, mean, jnp.nan), jnp.where(legal & (count > 1), errors, jnp.nan), count
        )
        return PlannerOutput(
            action=action,
            action_weights=jax.nn.one_hot(action, self.n_actions),
            value=mean[action],
            extras=extras,
        )

    def simulate(self, key: Key, state: EnvironmentState, action: Array) -> Float[Array, ""]:
        """The return of an action and then the base policy.

        Args:
          key: consumed; the same for all actions that are compared.
          state: where the action is taken.
          action: discrete.
        """
        first, rest = jax.random.split(key)
        after, out = self.environment.step(first, state, action)
        discount = transition_discount(self.objective.discount, out)
        ahead = play_out(
            rest,
            self.environment,
            after,
            out.observation,
            self.base,
            self.n_steps - 1,
            self.objective.discount,
            n_actions=self.n_actions,
            terminal_value=self.terminal_value,
            ended=discount == 0,
        )
        return out.reward + jnp.where(discount == 0, 0.0, discount * ahead)
