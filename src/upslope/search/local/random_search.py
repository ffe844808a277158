"""Random search."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.annotations import PyTree
from upslope.core.checks import check_number
from upslope.core.records import Returns
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.evolution.candidate_returns import (
    finite_mean,
    observed,
    ranked_returns,
    untried,
)
from upslope.search.search_method import Defaults, SearchMethod
from upslope.search.spaces.product import check_space, space_of


class RandomSearchState(NamedTuple):
    """What the next iteration needs."""

    start: Policy  # around which is drawn
    best: Policy
    best_return: Array  # scalar, of the best; -inf before the first


class RandomSearchDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return so far (optimistic: a maximum)
    population_best: Array  # best of this iteration
    population_mean: Array


class RandomSearch(SearchMethod[RandomSearchState, Returns]):
    r"""Draws candidates without regard to the past, and keeps the best it has seen.

    .. math:: \theta_p \sim \mathcal U(\theta_0 - r, \theta_0 + r), \qquad
              \theta^* = \arg\max_p \hat J(\theta_p)

    The baseline that every other method has to beat, and the only one whose draws are independent:
    the number of candidates until the first success is geometric. Works in any search space.

    Attributes:
      population_size: candidates per iteration. Static.
      episodes_per_candidate: episodes whose mean return ranks a candidate. Static.
      radius: r, how far from the start a parameter may be drawn where its space has no bounds.
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.
      space: what is searched, a `SearchSpace` or a tree of them; None: real numbers or bits, as
        the start says.

    References:
      Rastrigin (1963); Bergstra and Bengio (2012), section 1.
    """

    name: ClassVar[str] = "random-search"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=64)
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    radius: float | Array = 1.0
    common_random_numbers: bool = eqx.field(static=True, default=False)
    space: PyTree = None

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "RandomSearch", name, getattr(self, name), **limits
        )
        check("population_size", at_least=1, integer=True)
        check("episodes_per_candidate", at_least=1, integer=True)
        check("radius", above=0)
        check_space("RandomSearch", self.space)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> RandomSearchState:
        policy = jax.tree.map(jnp.asarray, policy)
        space_of("RandomSearch", self.space, policy)
        return RandomSearchState(policy, policy, untried())

    def ask(self, key: Array, state: RandomSearchState) -> Policy:
        space = space_of("RandomSearch", self.space, state.start)
        keys = jax.random.split(key, self.population_size)
        return jax.vmap(lambda k: space.draw(k, state.start, self.radius))(keys)

    def tell(
        self,
        key: Array,
        state: RandomSearchState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[RandomSearchState, RandomSearchDiagnostics]:
        returns = ranked_returns(experience)
        top = jnp.argmax(returns)
        better = returns[top] > state.best_return
        best = tree.where(better, tree.take(candidates, top), state.best)
        best_return = jnp.maximum(returns[top], state.best_return)
        start = observed(state.start, experience.moments)
        best = observed(best, experience.moments)
        diagnostics = RandomSearchDiagnostics(best_return, returns[top], finite_mean(returns))
        return RandomSearchState(start, best, best_return), diagnostics

    def solution(self, state: RandomSearchState) -> Policy:
        return state.best
