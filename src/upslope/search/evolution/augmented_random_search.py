"""Augmented random search."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Returns
from upslope.core.tree import ravel_parameters
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.evolution.candidate_returns import averaged_returns, finite_mean, observed
from upslope.search.evolution.population_scores import check_population, is_flat, mirror
from upslope.search.gradient.ascent import Schedule, check_schedule, remaining
from upslope.search.search_method import Defaults, SearchMethod
from upslope.search.step_count import StepCount


class ARSState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy  # at theta (with its observation moments)
    steps: StepCount  # environment steps so far


class ARSDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return of a candidate in this iteration (optimistic: a maximum)
    population_mean: Array
    returns_std: Array  # sigma_R
    step_norm: Array  # how far theta moved
    flat: Array  # 1 if all returns are equal: nothing can be learned


class AugmentedRandomSearch(SearchMethod[ARSState, Returns]):
    r"""Steps along random directions by the difference of the returns on their two sides.

    .. math:: \theta \leftarrow \theta + \frac{\alpha}{b \, \sigma_R} \sum_{k \in \text{top } b}
              \big( r(\theta + \nu \delta_k) - r(\theta - \nu \delta_k) \big) \delta_k

    The b directions are those with the best max(r+, r-), and sigma_R is the standard deviation of
    their 2 b returns. V1 is this on a policy that sees raw observations; V2 on one that normalises
    them (`normalize_observations`), by the moments of all states visited; V1-t and V2-t use fewer
    directions than they try (`n_directions` < P / 2). A NaN return counts as the worst. Where all
    returns are equal theta stays.

    Attributes:
      population_size: 2 N candidates, in pairs. Static.
      episodes_per_candidate: episodes whose mean return is r. Static.
      std: nu, the standard deviation of the noise on every parameter.
      learning_rate: alpha, the step size.
      learning_rate_schedule: `"linear"` falls to zero at `total_timesteps`. Static.
      total_timesteps: the budget in environment steps, for the schedule.
      n_directions: b, how many of the best directions are followed; None for all N. Static.
      divide_by_std: divide by sigma_R; without it this is basic random search. Static.
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.

    Raises:
      UpslopeError: for an odd population, more directions than there are, or a schedule of no
        known length.

    References:
      Mania, Guy and Recht (2018), algorithms 1 and 2.
    """

    name: ClassVar[str] = "ars"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=16)
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    std: float | Array = 0.05
    learning_rate: float | Array = 0.02
    learning_rate_schedule: Schedule = eqx.field(static=True, default="constant")
    n_directions: int | None = eqx.field(static=True, default=None)
    divide_by_std: bool = eqx.field(static=True, default=True)
    common_random_numbers: bool = eqx.field(static=True, default=False)
    total_timesteps: float | Array | None = None

    def __check_init__(self) -> None:
        owner = "AugmentedRandomSearch"
        check = lambda name, **limits: check_number(owner, name, getattr(self, name), **limits)  # noqa: E731
        check_population(owner, self.population_size, mirrored=True)
        check("episodes_per_candidate", at_least=1, integer=True)
        check("std", above=0)
        check("learning_rate", above=0)
        if self.total_timesteps is not None:
            check("total_timesteps", above=0)
        check_schedule(self, "learning_rate_schedule")
        if self.n_directions is not None:
            check("n_directions", at_least=1, integer=True)
            if self.n_directions > self.population_size // 2:
                raise UpslopeError(
                    f"{owner} uses n_directions={self.n_directions} of "
                    f"{self.population_size // 2} pairs (population_size={self.population_size}): "
                    "it cannot use more than it tries."
                )

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> ARSState:
        return ARSState(jax.tree.map(jnp.asarray, policy), StepCount.start())

    def ask(self, key: Array, state: ARSState) -> Policy:
        theta, unravel = ravel_parameters(state.policy)
        noise = jax.random.normal(key, (self.population_size // 2, theta.size), theta.dtype)
        return jax.vmap(unravel)(theta[None] + self.std * mirror(noise))

    def tell(
        self,
        key: Array,
        state: ARSState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[ARSState, ARSDiagnostics]:
        theta, unravel = ravel_parameters(state.policy)
        points = jax.vmap(lambda policy: ravel_parameters(policy)[0])(candidates)
        pairs = self.population_size // 2
        used = pairs if self.n_directions is None else self.n_directions
        returns = averaged_returns(experience).astype(theta.dtype)
        up, down = returns[:pairs], returns[pairs:]
        _, top = jax.lax.top_k(jnp.maximum(up, down), used)
        delta = (points[:pairs][top] - theta[None]) / self.std
        spread = jnp.std(jnp.concatenate([up[top], down[top]]))
        slope = (up[top] - down[top]) @ delta / used
        scale = jnp.where(spread > 0, 1.0 / jnp.where(spread > 0, spread, 1.0), 0.0)
        if not self.divide_by_std:
            scale = 1.0
        learning_rate = self.learning_rate
        if self.learning_rate_schedule == "linear":
            learning_rate = learning_rate * remaining(state.steps.value, self.total_timesteps)
        step = learning_rate * scale * slope
        diagnostics = ARSDiagnostics(
            best=jnp.max(returns),
            population_mean=finite_mean(returns),
            returns_std=spread,
            step_norm=jnp.sqrt(jnp.sum(jnp.square(step))),
            flat=is_flat(returns),
        )
        policy = observed(unravel(theta + step), experience.moments)
        return ARSState(policy, state.steps.add(jnp.sum(experience.lengths))), diagnostics

    def solution(self, state: ARSState) -> Policy:
        return state.policy
