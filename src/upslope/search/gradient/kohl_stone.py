"""The policy gradient of Kohl and Stone, which taught the Aibo to walk."""

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
from upslope.search.evolution.candidate_returns import averaged_returns, observed
from upslope.search.search_method import Defaults, SearchMethod
from upslope.search.spaces.space import require_real


class KohlStoneState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy


class KohlStoneDiagnostics(NamedTuple):
    """What its users look at."""

    population_best: Array
    population_mean: Array
    adjustment_norm: Array  # of A before it is normalised, in units of the return
    unmoved: Array  # share of the parameters whose adjustment is 0


class KohlStone(SearchMethod[KohlStoneState, Returns]):
    r"""Compares averages of t policies, each parameter of which is raised, lowered or left alone.

    .. math:: A_n = \bar J_{+,n} - \bar J_{-,n} \;\text{ (0 if both are below } \bar J_{0,n}
              \text{)}, \qquad \theta \leftarrow \theta + \eta \frac{A}{|A|}

    The averages are over the policies in which parameter n was raised by epsilon, lowered by it, or
    left alone; a parameter of which one of the first two groups is empty stays where it is. Every
    step has the length eta, unless A = 0: then nothing moves, as when all returns are equal. A
    return that is not finite counts as the worst finite one of its population.

    Attributes:
      population_size: t, candidates per iteration. Static.
      episodes_per_candidate: episodes whose mean return is a candidate's. Static.
      step: epsilon, by which a parameter is raised or lowered.
      learning_rate: eta, the length of the step taken.
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.

    References:
      Kohl and Stone (2004), "Policy gradient reinforcement learning for fast quadrupedal
      locomotion", section 3.
    """

    name: ClassVar[str] = "kohl-stone"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=15)
    episodes_per_candidate: int = eqx.field(static=True, default=3)
    step: float | Array = 0.1
    learning_rate: float | Array = 0.2
    common_random_numbers: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "KohlStone", name, getattr(self, name), **limits
        )
        check("population_size", at_least=2, integer=True, why="Averages are compared.")
        check("episodes_per_candidate", at_least=1, integer=True)
        check("step", above=0)
        check("learning_rate", above=0)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> KohlStoneState:
        require_real("KohlStone", policy)
        return KohlStoneState(jax.tree.map(jnp.asarray, policy))

    def ask(self, key: Array, state: KohlStoneState) -> Policy:
        theta, unravel = ravel_parameters(state.policy)
        signs = jax.random.randint(key, (self.population_size, theta.size), -1, 2)
        return jax.vmap(unravel)(theta[None] + self.step * signs.astype(theta.dtype))

    def tell(
        self,
        key: Array,
        state: KohlStoneState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[KohlStoneState, KohlStoneDiagnostics]:
        theta, unravel = ravel_parameters(state.policy)
        points = jax.vmap(lambda policy: ravel_parameters(policy)[0])(candidates)
        returns = averaged_returns(experience).astype(theta.dtype)
        signs = jnp.round((points - theta[None]) / self.step)
        adjustment = adjustments(signs, returns)
        norm = jnp.sqrt(jnp.sum(jnp.square(adjustment)))
        unit = adjustment / jnp.where(norm > 0, norm, 1.0)
        policy = observed(unravel(theta + self.learning_rate * unit), experience.moments)
        diagnostics = KohlStoneDiagnostics(
            jnp.max(returns),
            jnp.mean(returns),
            norm,
            jnp.mean((adjustment == 0).astype(theta.dtype)),
        )
        return KohlStoneState(policy), diagnostics

    def solution(self, state: KohlStoneState) -> Policy:
        return state.policy


def adjustments(signs: Array, returns: Array) -> Array:
    """A, [D]: by how much each parameter is worth raising, before the step is normalised.

    Args:
      signs: [t, D] of -1, 0 and 1: how each policy's parameters were changed.
      returns: [t], finite.
    """
    gained = (returns - returns[0])[:, None]  # equal returns are 0 without rounding

    def average(sign: int) -> tuple[Array, Array]:
        group = signs == sign
        count = jnp.sum(group, axis=0)
        total = jnp.sum(jnp.where(group, gained, 0.0), axis=0)
        return total / jnp.maximum(count, 1), count > 0

    raised, some_raised = average(1)
    lowered, some_lowered = average(-1)
    alone, some_alone = average(0)
    stays = some_alone & (alone > raised) & (alone > lowered)
    return jnp.where(stays | ~some_raised | ~some_lowered, 0.0, raised - lowered)
