"""The genetic algorithm: select, cross over, mutate."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError, check_choice, check_number
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
from upslope.search.spaces.product import (
    CROSSOVERS,
    Crossover,
    check_space,
    crossover_mask,
    space_of,
)
from upslope.search.spaces.space import MUTATIONS, Mutation, MutationKind, SearchSpace

Selection = Literal["truncation", "tournament"]
SELECTIONS = ("truncation", "tournament")


class GeneticAlgorithmState(NamedTuple):
    """The last generation, from which the next one is bred."""

    population: Policy  # leaves [P, ...], best first
    returns: Array  # [P], -inf until tried
    generation: Array  # scalar int


class GeneticAlgorithmDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return in the population (optimistic: a maximum)
    parent_threshold: Array  # the worst return among the n_parents best
    population_mean: Array
    diversity: Array  # share of the population that is unlike the best


class GeneticAlgorithm(SearchMethod[GeneticAlgorithmState, Returns]):
    r"""Breeds the next population from the better part of the last one.

    .. math:: \theta' = m \odot \theta_a + (1 - m) \odot \theta_b + \sigma \epsilon, \qquad
              a, b \sim \text{selection from the last generation}

    Parents are drawn from the `n_parents` best (truncation), or each is the best of a few drawn at
    random (tournament). The `n_elites` best go on unchanged; they are tried again, so that a lucky
    one does not stay for ever, unless `reevaluate_elites` is off, which saves their evaluations
    where returns have no noise (and with n_elites = n_parents = 1 and P = 2 is the (1+1)
    evolutionary algorithm). A NaN return counts as the worst. Works in any search space; in
    permutations crossover keeps the order of the second parent.

    Attributes:
      population_size: P, candidates per iteration. Static.
      episodes_per_candidate: episodes whose mean return is a candidate's. Static.
      selection: `"truncation"` or `"tournament"`. Static.
      n_parents: how many of the best may breed (truncation). Static.
      tournament_size: candidates of whom the best is a parent (tournament). Static.
      n_elites: how many of the best go on unchanged. Static.
      reevaluate_elites: try them again in every generation. Static.
      crossover: `"none"`, `"uniform"` (each coordinate from either parent), `"one-point"`,
        `"two-point"` or `"blend"` (real numbers alone: a random mean of the two). Static.
      crossover_rate: share of the children that have two parents.
      std: sigma, of the mutation of a number.
      mutation: `"each"` changes every coordinate with probability `rate`, `"one"` exactly one.
        Static.
      rate: probability that a coordinate is changed (`"each"`); None: 1 for real numbers, 1 / n
        for everything else.
      radius: how far from the start a real parameter of the first generation may be drawn.
      common_random_numbers: all candidates of a generation meet the same randomness. Static.
      space: what is searched, a `SearchSpace` or a tree of them; None: real numbers or bits, as
        the start says.

    References:
      Holland (1975); Goldberg and Deb (1991) for selection; Such et al. (2017), algorithm 1, for
      networks.
    """

    name: ClassVar[str] = "genetic-algorithm"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=64)
    episodes_per_candidate: int = eqx.field(static=True, default=2)
    selection: Selection = eqx.field(static=True, default="truncation")
    n_parents: int = eqx.field(static=True, default=16)
    tournament_size: int = eqx.field(static=True, default=3)
    n_elites: int = eqx.field(static=True, default=1)
    reevaluate_elites: bool = eqx.field(static=True, default=True)
    crossover: Crossover = eqx.field(static=True, default="none")
    crossover_rate: float | Array = 1.0
    std: float | Array = 0.1
    mutation: MutationKind = eqx.field(static=True, default="each")
    rate: float | Array | None = None
    radius: float | Array = 1.0
    common_random_numbers: bool = eqx.field(static=True, default=False)
    space: PyTree = None

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "GeneticAlgorithm", name, getattr(self, name), **limits
        )
        check("population_size", at_least=2, integer=True)
        for name in ("episodes_per_candidate", "n_parents", "tournament_size"):
            check(name, at_least=1, integer=True)
        check("n_elites", at_least=0, integer=True)
        check("crossover_rate", at_least=0, at_most=1)
        check("std", above=0)
        check("radius", above=0)
        if self.rate is not None:
            check("rate", above=0, at_most=1)
        check_choice("GeneticAlgorithm", "selection", self.selection, SELECTIONS)
        check_choice("GeneticAlgorithm", "crossover", self.crossover, CROSSOVERS)
        check_choice("GeneticAlgorithm", "mutation", self.mutation, MUTATIONS)
        check_space("GeneticAlgorithm", self.space)
        if self.selection == "truncation" and self.n_parents > self.population_size:
            raise UpslopeError(
                f"GeneticAlgorithm breeds from n_parents={self.n_parents} of population_size="
                f"{self.population_size} candidates: it cannot keep more than it has."
            )
        if self.n_elites >= self.population_size:
            raise UpslopeError(
                f"GeneticAlgorithm keeps n_elites={self.n_elites} of population_size="
                f"{self.population_size} candidates: nothing new would ever be tried."
            )

    @property
    def experience(self) -> EpisodeReturns:
        tried = self.population_size - (0 if self.reevaluate_elites else self.n_elites)
        return EpisodeReturns(tried, self.episodes_per_candidate, self.common_random_numbers)

    def init(self, key: Array, policy: Policy, objective: Objective) -> GeneticAlgorithmState:
        policy = jax.tree.map(jnp.asarray, policy)
        space = space_of("GeneticAlgorithm", self.space, policy)
        if self.crossover == "blend" and not space.only_real():
            raise UpslopeError(
                "GeneticAlgorithm got crossover='blend' in a space that is not all real numbers, "
                "of which there is no mean: use 'uniform', 'one-point' or 'two-point'."
            )
        population = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (self.population_size, *leaf.shape)), policy
        )
        returns = untried(self.population_size)
        return GeneticAlgorithmState(population, returns, jnp.zeros((), int))

    def ask(self, key: Array, state: GeneticAlgorithmState) -> Policy:
        """The elites first, then children; in the first generation the start and fresh draws."""
        start = tree.take(state.population, 0)
        space = space_of("GeneticAlgorithm", self.space, start)
        tried = self.experience.population_size
        keys = jax.random.split(key, tried)
        kept = self.n_elites if self.reevaluate_elites else 0
        first = state.generation == 0
        children = jax.vmap(lambda key: self._child(key, space, state))(keys)
        drawn = jax.vmap(lambda key: space.draw(key, start, self.radius))(keys)
        elites = jax.tree.map(lambda leaf: leaf[:tried], state.population)
        unchanged = jnp.arange(tried) < jnp.where(first, 1, kept)
        bred = tree.where(first, drawn, children)
        return tree.where(unchanged, elites, bred)

    def _child(
        self, key: Array, space: SearchSpace[Policy], state: GeneticAlgorithmState
    ) -> Policy:
        first_key, second_key, mask_key, rate_key, mutation_key = jax.random.split(key, 5)
        child = tree.take(state.population, self.parent(first_key))
        if self.crossover != "none":
            other = tree.take(state.population, self.parent(second_key))
            mask = crossover_mask(mask_key, self.crossover, space.size(child))
            crossed = jax.random.uniform(rate_key) < self.crossover_rate
            child = tree.where(crossed, space.cross(mask, child, other), child)
        return space.mutate(mutation_key, child, Mutation(self.mutation, self.std, self.rate))

    def parent(self, key: Array) -> Array:
        """The rank of a selected parent, 0 the best; a scalar int. The key is consumed."""
        if self.selection == "truncation":
            return jax.random.randint(key, (), 0, self.n_parents)
        drawn = jax.random.randint(key, (self.tournament_size,), 0, self.population_size)
        return jnp.min(drawn)

    def tell(
        self,
        key: Array,
        state: GeneticAlgorithmState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[GeneticAlgorithmState, GeneticAlgorithmDiagnostics]:
        returns = ranked_returns(experience).astype(state.returns.dtype)
        population = candidates
        if not self.reevaluate_elites:
            # Children first: where returns are equal the newer one goes on.
            join = lambda new, old: jnp.concatenate([new, old[: self.n_elites]])  # noqa: E731
            population = jax.tree.map(join, candidates, state.population)
            returns = join(returns, state.returns)
        order = jnp.argsort(-returns, stable=True)
        population, returns = tree.take(population, order), returns[order]
        unlike = jnp.zeros(self.population_size, bool)
        for leaf in jax.tree.leaves(population):
            flat = leaf.reshape(self.population_size, -1)
            unlike = unlike | jnp.any(flat != flat[:1], axis=1)
        if experience.moments is not None:
            population = jax.vmap(observed, in_axes=(0, None))(population, experience.moments)
        diagnostics = GeneticAlgorithmDiagnostics(
            returns[0],
            returns[min(self.n_parents, self.population_size) - 1],
            finite_mean(returns),
            jnp.mean(unlike.astype(returns.dtype)),
        )
        return GeneticAlgorithmState(population, returns, state.generation + 1), diagnostics

    def solution(self, state: GeneticAlgorithmState) -> Policy:
        return tree.take(state.population, 0)
