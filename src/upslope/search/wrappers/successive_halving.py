"""SuccessiveHalving: more episodes for the candidates that are still in question."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.checks import UpslopeError, check_number
from upslope.core.moments import Moments
from upslope.core.records import Returns
from upslope.objectives.objective import Objective
from upslope.policies.actor import Actor, observation_moments
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.evolution.candidate_returns import unknown_diagnostics
from upslope.search.wrappers.method_wrapper import (
    MethodWrapper,
    blank_candidates,
    gathered,
    no_moments,
)


class SuccessiveHalvingState(NamedTuple):
    """Where a race stands."""

    inner: Any  # state of the method whose candidates race
    candidates: Policy  # leaves [P, ...], in the order in which the method asked for them
    totals: Array  # [P] sum of the returns so far
    counts: Array  # [P] how many turns each has had
    reached: Array  # [P] int: the last round each took part in
    order: Array  # [P] int: who is still in the race, best first; then the others
    round: Array  # scalar int
    moments: Moments | None  # of what all rounds saw
    diagnostics: Any  # of the last race that was decided


class SuccessiveHalving(MethodWrapper[SuccessiveHalvingState]):
    r"""Successive halving: the better half of each round runs again, twice as often.

    .. math:: n_{k+1} = \lceil n_k / 2 \rceil, \qquad
              \text{turns of a survivor of round } k: \; 1 + 2 + \dots + 2^k

    Every round costs P turns of `episodes_per_candidate` episodes, so that a race of K rounds costs
    what K turns for everybody would, and the best candidates have been seen 2^K - 1 times instead
    of K. The method is told the mean of all turns of each candidate, lowered where a candidate that
    went out earlier would otherwise stand above one that ran on. A NaN return puts a candidate
    last. A race is several iterations of the loop: what the method shows stays as it was until it
    is decided.

    Attributes:
      method: asks for the candidates and is told what they are worth.
      rounds: K. Static.

    Raises:
      UpslopeError: common random numbers, with which a second turn would repeat the first; more
        rounds than halvings of the population.

    References:
      Karnin, Koren and Somekh (2013), algorithm 1 (sequential halving); Heidrich-Meisner and Igel
      (2009), Hoeffding and Bernstein races for selecting policies, for racing in evolution.
    """

    name: ClassVar[str] = "racing"
    rounds: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        owner = type(self.method).__name__
        check_number(owner, "racing", self.rounds, at_least=1, integer=True)
        check_race(owner, self.rounds, self.experience)

    @property
    def experience(self) -> EpisodeReturns:
        return self.method.experience  # pyright: ignore[reportReturnType]

    def init(self, key: Array, policy: Policy, objective: Objective) -> SuccessiveHalvingState:
        size = self.experience.population_size
        state = self.method.init(key, policy, objective)
        zeros, zero = jnp.zeros(size), jnp.zeros((), int)
        blank = blank_candidates(self.method, key, state)
        moments = observation_moments(policy)
        return SuccessiveHalvingState(
            inner=state,
            candidates=blank,
            totals=zeros,
            counts=zeros,
            reached=jnp.zeros(size, int),
            order=jnp.arange(size),
            round=zero,
            moments=no_moments(policy),
            diagnostics=unknown_diagnostics(self.method, key, state, blank, objective, moments),
        )

    def ask(self, key: Array, state: SuccessiveHalvingState) -> Actor:
        fresh = self.method.ask(key, state.inner)
        again = tree.take(state.candidates, self._runners(state))
        return tree.where(state.round == 0, fresh, again)

    def _runners(self, state: SuccessiveHalvingState) -> Array:
        """Which candidate has each of the P turns of this round; int [P]."""
        size = state.order.size
        left = size
        sizes = []
        for _ in range(self.rounds):
            sizes.append(left)
            left = (left + 1) // 2
        turns = jnp.arange(size)
        return state.order[turns % jnp.asarray(sizes)[state.round]]

    def tell(
        self,
        key: Array,
        state: SuccessiveHalvingState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[SuccessiveHalvingState, Any]:
        first = state.round == 0
        size = state.order.size
        runners = jnp.where(first, jnp.arange(size), self._runners(state))
        returns = jnp.mean(experience.returns, axis=1).astype(state.totals.dtype)
        totals = jnp.where(first, 0.0, state.totals).at[runners].add(returns)
        counts = jnp.where(first, 0.0, state.counts).at[runners].add(1.0)
        reached = jnp.where(first, 0, state.reached).at[runners].set(state.round)
        means = totals / counts
        order = jnp.lexsort((-jnp.where(jnp.isnan(means), -jnp.inf, means), -reached))
        moments = gathered(state.moments, experience.moments, first)
        population = tree.where(first, candidates, state.candidates)

        def decided() -> tuple[Any, Any]:
            worth = no_better_than_the_next(means, order)
            result = Returns(worth[:, None], counts.astype(int)[:, None], moments)
            return self.method.tell(key, state.inner, population, result, objective)

        last = state.round == self.rounds - 1
        inner, diagnostics = jax.lax.cond(last, decided, lambda: (state.inner, state.diagnostics))
        new = SuccessiveHalvingState(
            inner=inner,
            candidates=population,
            totals=totals,
            counts=counts,
            reached=reached,
            order=order,
            round=jnp.where(last, 0, state.round + 1),
            moments=moments,
            diagnostics=diagnostics,
        )
        return new, diagnostics


def no_better_than_the_next(means: Array, order: Array) -> Array:
    """Means [P], each lowered to those that stand before it in `order`, so that they agree with it.

    What is not finite is -inf and lowers nobody.
    """
    placed = means[order]
    finite = jnp.isfinite(placed)
    lowest = jax.lax.cummin(jnp.where(finite, placed, jnp.inf))
    return jnp.zeros_like(means).at[order].set(jnp.where(finite, lowest, -jnp.inf))


def check_race(owner: str, rounds: int, spec: EpisodeReturns) -> None:
    """Refuses a race that cannot be run.

    Raises:
      UpslopeError: names the method, the value and what to do.
    """
    if spec.common_random_numbers:
        raise UpslopeError(
            f"{owner} has racing={rounds} with common_random_numbers=True: every turn of a "
            "candidate would repeat the first one. Choose one of the two."
        )
    if rounds > spec.population_size.bit_length():
        raise UpslopeError(
            f"{owner} has racing={rounds} rounds for population_size="
            f"{spec.population_size}: after so many halvings nobody is left. Use at most "
            f"{spec.population_size.bit_length()}."
        )
