"""Simulated annealing."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.annotations import PyTree
from upslope.core.checks import check_choice, check_number
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
from upslope.search.spaces.space import MUTATIONS, Mutation, MutationKind

Cooling = Literal["geometric", "logarithmic"]
COOLINGS = ("geometric", "logarithmic")


class SimulatedAnnealingState(NamedTuple):
    """What the next iteration needs."""

    chains: Policy  # leaves [P, ...]: where each chain stands
    chain_returns: Array  # [P]: what was found there
    iteration: Array  # scalar int
    best: Policy  # of all that was tried
    best_return: Array  # scalar


class SimulatedAnnealingDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return so far (optimistic: a maximum)
    chain_mean: Array  # mean return of where the chains stand
    accepted: Array  # share of the steps that were taken
    temperature: Array  # of this iteration


class SimulatedAnnealing(SearchMethod[SimulatedAnnealingState, Returns]):
    r"""Random steps, uphill always and downhill with a probability that falls with temperature.

    .. math:: P(\theta \leftarrow \theta') =
              \min\Big(1, e^{(\hat J(\theta') - \hat J(\theta)) / T_k}\Big), \qquad
              T_k = T_0 c^k \;\text{ or }\; T_0 / \log_2(k + 2)

    At a constant temperature, with symmetric steps and exact returns, the chain visits theta in
    proportion to exp(J / T). Several chains run side by side, each from the start, at one
    temperature; the best point that any of them saw is the solution. A NaN return counts as the
    worst. Works in any search space.

    Attributes:
      population_size: chains side by side. Static.
      episodes_per_candidate: episodes whose mean return is a candidate's. Static.
      std: standard deviation of a step of a real parameter.
      temperature: T_0, in units of the return.
      cooling: c, by how much the temperature is multiplied in an iteration (geometric).
      schedule: `"geometric"` or `"logarithmic"`, which finds the maximum of a finite space for
        certain if T_0 is large enough, and takes for ever. Static.
      mutation: `"each"` changes every coordinate with probability `rate`, `"one"` exactly one.
        Static.
      rate: probability that a coordinate is changed (`"each"`); None: 1 for real numbers, 1 / n
        for everything else.
      space: what is searched, a `SearchSpace` or a tree of them; None: real numbers or bits, as
        the start says.

    References:
      Kirkpatrick, Gelatt and Vecchi (1983); Hajek (1988), theorem 1, for the logarithmic schedule.
    """

    name: ClassVar[str] = "simulated-annealing"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=16)
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    std: float | Array = 0.3
    temperature: float | Array = 1.0
    cooling: float | Array = 0.98
    schedule: Cooling = eqx.field(static=True, default="geometric")
    mutation: MutationKind = eqx.field(static=True, default="each")
    rate: float | Array | None = None
    space: PyTree = None

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "SimulatedAnnealing", name, getattr(self, name), **limits
        )
        check("population_size", at_least=1, integer=True)
        check("episodes_per_candidate", at_least=1, integer=True)
        check("std", above=0)
        check("temperature", above=0)
        check("cooling", above=0, at_most=1)
        if self.rate is not None:
            check("rate", above=0, at_most=1)
        check_choice("SimulatedAnnealing", "schedule", self.schedule, COOLINGS)
        check_choice("SimulatedAnnealing", "mutation", self.mutation, MUTATIONS)
        check_space("SimulatedAnnealing", self.space)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(self.population_size, self.episodes_per_candidate)

    def init(self, key: Array, policy: Policy, objective: Objective) -> SimulatedAnnealingState:
        policy = jax.tree.map(jnp.asarray, policy)
        space_of("SimulatedAnnealing", self.space, policy)
        chains = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (self.population_size, *leaf.shape)), policy
        )
        returns = untried(self.population_size)
        return SimulatedAnnealingState(
            chains=chains,
            chain_returns=returns,
            iteration=jnp.zeros((), int),
            best=policy,
            best_return=untried(),
        )

    def ask(self, key: Array, state: SimulatedAnnealingState) -> Policy:
        """One step from each chain; in the first iteration, the start itself."""
        space = space_of("SimulatedAnnealing", self.space, state.best)
        mutation = Mutation(self.mutation, self.std, self.rate)
        keys = jax.random.split(key, self.population_size)
        steps = jax.vmap(lambda k, point: space.mutate(k, point, mutation))(keys, state.chains)
        return tree.where(state.iteration == 0, state.chains, steps)

    def tell(
        self,
        key: Array,
        state: SimulatedAnnealingState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[SimulatedAnnealingState, SimulatedAnnealingDiagnostics]:
        returns = ranked_returns(experience)
        temperature = self.temperature_at(state.iteration)
        downhill = jnp.minimum(returns - state.chain_returns, 0.0)  # NaN only between two -inf
        chance = jnp.exp(jnp.where(jnp.isnan(downhill), 0.0, downhill) / temperature)
        taken = jax.random.uniform(key, chance.shape) < chance
        chains = tree.where(taken, candidates, state.chains)
        chain_returns = jnp.where(taken, returns, state.chain_returns)
        top = jnp.argmax(returns)
        better = returns[top] > state.best_return
        best = tree.where(better, tree.take(candidates, top), state.best)
        if experience.moments is not None:
            chains = jax.vmap(observed, in_axes=(0, None))(chains, experience.moments)
        new = SimulatedAnnealingState(
            chains=chains,
            chain_returns=chain_returns,
            iteration=state.iteration + 1,
            best=observed(best, experience.moments),
            best_return=jnp.maximum(returns[top], state.best_return),
        )
        diagnostics = SimulatedAnnealingDiagnostics(
            new.best_return,
            finite_mean(chain_returns),
            jnp.mean(taken.astype(chance.dtype)),
            temperature,
        )
        return new, diagnostics

    def temperature_at(self, iteration: Array) -> Array:
        """T_k."""
        if self.schedule == "geometric":
            return self.temperature * jnp.power(self.cooling, iteration)
        return self.temperature / jnp.log2(iteration + 2.0)

    def solution(self, state: SimulatedAnnealingState) -> Policy:
        return state.best
