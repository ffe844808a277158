"""Hill climbing: keep what is not worse."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

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
from upslope.search.evolution.candidate_returns import observed, ranked_returns, untried
from upslope.search.search_method import Defaults, SearchMethod
from upslope.search.spaces.product import check_space, space_of
from upslope.search.spaces.space import MUTATIONS, Mutation, MutationKind


class HillClimbingState(NamedTuple):
    """What the next iteration needs."""

    incumbent: Policy  # where the search stands
    incumbent_return: Array  # scalar: what it was last found to be worth
    fresh: Array  # scalar bool: the incumbent has not been tried yet
    std: Array  # scalar: of the next steps
    stale: Array  # scalar int: iterations since the incumbent last got better
    start: Policy | None  # around which restarts are drawn; None without restarts
    best: Policy | None  # of all restarts; None without restarts
    best_return: Array


class HillClimbingDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return so far (optimistic unless re-evaluated)
    population_best: Array  # best candidate of this iteration
    incumbent: Array  # the incumbent's return as last found
    accepted: Array  # 1 if the search moved
    std: Array


class HillClimbing(SearchMethod[HillClimbingState, Returns]):
    r"""Tries random steps from where it stands, and takes the best of them if it is not worse.

    .. math:: \theta' = \theta + \sigma \epsilon, \qquad
              \theta \leftarrow \theta' \text{ if } \hat J(\theta') \ge \hat J(\theta), \qquad
              \sigma \leftarrow \sigma \exp\Big(\alpha \frac{\text{success} - s^*}{1 - s^*}\Big)

    With one candidate this is accept-if-better (in bit strings, randomised local search with
    `mutation="one"`, the (1+1) evolutionary algorithm with `"each"`); with more it is steepest
    ascent, in the best of `population_size` random directions. The step grows after a success and
    shrinks after a failure, so that a share s* = 1/5 succeeds. Monotone when returns have no noise.
    With noise a lucky return is never matched again: `reevaluate` tries the incumbent anew beside
    the candidates (one more of them). A NaN return counts as the worst. Works in any search space.

    Attributes:
      population_size: steps tried per iteration. Static.
      episodes_per_candidate: episodes whose mean return is a candidate's. Static.
      std: sigma, of the first steps.
      adaptation: alpha, how fast sigma follows its successes; 0 for a constant step.
      success_target: s*, the share of successes that leaves sigma as it is.
      min_std: the least sigma, below which it does not fall.
      mutation: `"each"` changes every coordinate with probability `rate`, `"one"` exactly one.
        Static.
      rate: probability that a coordinate is changed (`"each"`); None: 1 for real numbers, 1 / n
        for everything else.
      restart_after: iterations without improvement after which the search restarts somewhere else;
        None: never.
      radius: how far from the start a restart may be, where the space has no bounds.
      reevaluate: try the incumbent again in every iteration. Static.
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.
      space: what is searched, a `SearchSpace` or a tree of them; None: real numbers or bits, as
        the start says.

    References:
      Russell and Norvig (2021), section 4.1.1; Kern et al. (2004), section 2, for the 1/5 rule.
    """

    name: ClassVar[str] = "hill-climbing"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=1)
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    std: float | Array = 0.5
    adaptation: float | Array = 0.3
    success_target: float | Array = 0.2
    min_std: float | Array = 1e-8
    mutation: MutationKind = eqx.field(static=True, default="each")
    rate: float | Array | None = None
    restart_after: int | Array | None = None
    radius: float | Array = 1.0
    reevaluate: bool = eqx.field(static=True, default=False)
    common_random_numbers: bool = eqx.field(static=True, default=False)
    space: PyTree = None

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "HillClimbing", name, getattr(self, name), **limits
        )
        check("population_size", at_least=1, integer=True)
        check("episodes_per_candidate", at_least=1, integer=True)
        check("std", above=0)
        check("adaptation", at_least=0)
        check("success_target", above=0, below=1)
        check("min_std", at_least=0)
        check("radius", above=0)
        if self.rate is not None:
            check("rate", above=0, at_most=1)
        if self.restart_after is not None:
            check("restart_after", at_least=1)
        check_choice("HillClimbing", "mutation", self.mutation, MUTATIONS)
        check_space("HillClimbing", self.space)
        if self.common_random_numbers and not self.reevaluate and self.population_size == 1:
            raise UpslopeError(
                "HillClimbing has common_random_numbers=True with population_size=1 and "
                "reevaluate=False: a single candidate shares its randomness with nobody. Set "
                "reevaluate=True."
            )

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size + self.reevaluate,
            self.episodes_per_candidate,
            self.common_random_numbers,
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> HillClimbingState:
        policy = jax.tree.map(jnp.asarray, policy)
        space_of("HillClimbing", self.space, policy)
        nothing = untried()
        other = None if self.restart_after is None else policy
        return HillClimbingState(
            incumbent=policy,
            incumbent_return=nothing,
            fresh=jnp.asarray(True),
            std=jnp.asarray(self.std, nothing.dtype),
            stale=jnp.zeros((), int),
            start=other,
            best=other,
            best_return=nothing,
        )

    def ask(self, key: Array, state: HillClimbingState) -> Policy:
        """The incumbent stands first where it is tried (again); the others are steps from it."""
        space = space_of("HillClimbing", self.space, state.incumbent)
        mutation = Mutation(self.mutation, state.std, self.rate)
        keys = jax.random.split(key, self.experience.population_size)
        steps = jax.vmap(lambda k: space.mutate(k, state.incumbent, mutation))(keys)
        first = (jnp.arange(keys.shape[0]) == 0) & (state.fresh | self.reevaluate)
        here = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (keys.shape[0], *leaf.shape)), state.incumbent
        )
        return tree.where(first, here, steps)

    def tell(
        self,
        key: Array,
        state: HillClimbingState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[HillClimbingState, HillClimbingDiagnostics]:
        returns = ranked_returns(experience)
        known, steps = state.incumbent_return, returns
        if self.reevaluate:
            known, steps = returns[0], jnp.where(jnp.arange(returns.size) == 0, -jnp.inf, returns)
        top = jnp.argmax(steps)
        moves = (steps[top] >= known) & (steps[top] > -jnp.inf)
        improves = moves & (steps[top] > known)
        incumbent = tree.where(moves, tree.take(candidates, top), state.incumbent)
        incumbent = observed(incumbent, experience.moments)
        value = jnp.where(moves, steps[top], known)
        # A first look at where it stands is no step: it says nothing of the step's length.
        looked = state.fresh & (not self.reevaluate)
        excess = (improves - self.success_target) / (1.0 - self.success_target)
        std = jnp.maximum(state.std * jnp.exp(self.adaptation * excess), self.min_std)
        new = state._replace(
            incumbent=incumbent,
            incumbent_return=value,
            fresh=jnp.zeros_like(state.fresh),
            std=jnp.where(looked, state.std, std),
            stale=jnp.where(improves, 0, state.stale + 1),
            best_return=jnp.maximum(state.best_return, value),
        )
        diagnostics = HillClimbingDiagnostics(
            best=new.best_return,
            population_best=jnp.max(returns),
            incumbent=value,
            accepted=moves.astype(value.dtype),
            std=new.std,
        )
        if self.restart_after is not None:
            new = self.restarted(key, state, new, experience)
        return new, diagnostics

    def restarted(
        self, key: Array, old: HillClimbingState, new: HillClimbingState, experience: Returns
    ) -> HillClimbingState:
        """The state with the best of all restarts kept; at a new start when progress has ended."""
        better = new.incumbent_return > old.best_return
        best = tree.where(better, new.incumbent, observed(old.best, experience.moments))
        new = new._replace(start=observed(old.start, experience.moments), best=best)
        assert self.restart_after is not None
        space = space_of("HillClimbing", self.space, new.start)
        elsewhere = new._replace(
            incumbent=space.draw(key, new.start, self.radius),
            incumbent_return=jnp.full_like(new.incumbent_return, -jnp.inf),
            fresh=jnp.ones_like(new.fresh),
            std=jnp.full_like(new.std, self.std),
            stale=jnp.zeros_like(new.stale),
        )
        return tree.where(new.stale >= self.restart_after, elsewhere, new)

    def solution(self, state: HillClimbingState) -> Policy:
        return state.incumbent if state.best is None else state.best
