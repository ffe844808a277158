"""Pure random search in the parameters: the skeleton of a search method.

Copy it to `src/upslope/search/<family>/<name>.py`, and say in the first line what yours is.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_number
from upslope.core.records import Returns
from upslope.core.tree import ravel_parameters
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.search_method import Defaults, SearchMethod


class RandomSearchState(NamedTuple):
    """What the next iteration needs. Arrays and modules only; never a key."""

    best: Policy
    best_return: Array  # scalar; -inf before the first iteration


class RandomSearchDiagnostics(NamedTuple):
    """What its users look at; logged under these names."""

    best: Array  # best mean return of a candidate so far (optimistic: a maximum)
    population_mean: Array


class RandomSearch(SearchMethod[RandomSearchState, Returns]):
    r"""Keeps the best of independent draws from a Gaussian.

    .. math:: \theta_p \sim \mathcal N(0, \sigma^2 I), \qquad
              \theta^* = \arg\max_{\theta \in \text{all draws}} \hat J(\theta)

    Finds the maximum almost surely in the limit of exact returns, and at no useful rate.

    Attributes:
      population_size: P, draws per iteration. Static.
      episodes_per_candidate: whose mean return ranks a draw. Static.
      std: sigma.

    References:
      Spall (2003), *Introduction to Stochastic Search and Optimization*, algorithm A, section 2.2.
    """

    name: ClassVar[str] = "random-search"
    defaults: ClassVar[Defaults] = Defaults(total_timesteps=100_000)
    population_size: int = eqx.field(static=True, default=32)
    episodes_per_candidate: int = eqx.field(static=True, default=4)
    std: float | Array = 1.0

    def __check_init__(self) -> None:
        for name in ("population_size", "episodes_per_candidate"):
            check_number("RandomSearch", name, getattr(self, name), at_least=1, integer=True)
        check_number("RandomSearch", "std", self.std, above=0)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(self.population_size, self.episodes_per_candidate)

    def init(self, key: Array, policy: Policy, objective: Objective) -> RandomSearchState:
        return RandomSearchState(policy, jnp.full((), -jnp.inf))

    def ask(self, key: Array, state: RandomSearchState) -> Policy:
        theta, unravel = ravel_parameters(state.best)
        noise = jax.random.normal(key, (self.population_size, theta.size), theta.dtype)
        return jax.vmap(unravel)(self.std * noise)

    def tell(
        self,
        key: Array,
        state: RandomSearchState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[RandomSearchState, RandomSearchDiagnostics]:
        returns = jnp.mean(experience.returns, axis=1)
        returns = jnp.where(jnp.isnan(returns), -jnp.inf, returns)
        top = jnp.argmax(returns)
        challenger = RandomSearchState(
            jax.tree.map(lambda leaf: leaf[top], candidates), returns[top]
        )
        better = challenger.best_return > state.best_return
        new = jax.tree.map(lambda a, b: jnp.where(better, a, b), challenger, state)
        return new, RandomSearchDiagnostics(new.best_return, jnp.mean(returns))

    def solution(self, state: RandomSearchState) -> Policy:
        return state.best
