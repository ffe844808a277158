"""The cross-entropy method."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from upslope.core import tree
from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.core.records import Returns
from upslope.core.tree import ravel_parameters
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

COVARIANCES = ("diagonal", "full")
RESTARTS = ("none", "widen")
# Where a run stands once its spread is gone: it asks around, and the answer ends it.
GOING, ASKING_AROUND, ARRIVED, COLLAPSED = range(4)
WIDER = 10.0  # than the distance of a better point is the search that begins there
DECADES = 9  # below the first standard deviation, within which it asks around


class CrossEntropyState(NamedTuple):
    """What the next iteration needs."""

    mean: Policy  # the policy at the distribution's mean (with its observation moments)
    std: Array  # [D] of every parameter, beyond what `deviations` span
    deviations: Array  # [K, D] of the elites, over sqrt(K): the covariance; [0, D] if diagonal
    iteration: Array  # scalar int, of this run
    phase: Array  # scalar int: `GOING` until the spread is gone
    bar: Array  # scalar: a return beyond this means that the spread was lost too early


class CrossEntropyDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return of a candidate in this iteration (optimistic: a maximum)
    elite_threshold: Array  # the worst elite's return
    population_mean: Array
    std: Array  # mean standard deviation of a parameter
    collapses: Array  # 1 in the iteration in which the spread is found to be lost too early


class CrossEntropyMethod(SearchMethod[CrossEntropyState, Returns]):
    r"""Draws policies from a Gaussian, and fits it to the best of them.

    .. math:: \theta_p \sim \mathcal N(\mu, \operatorname{diag} \sigma^2), \qquad
              \mu' = \frac1K \sum_{p \in E} \theta_p, \qquad
              \sigma'^2 = \frac1K \sum_{p \in E} (\theta_p - \mu')^2 + Z_t

    where E holds the K candidates with the best mean returns.

    With `covariance="full"` it is fitted with all its covariances,
    :math:`\Sigma = \frac1K \sum_k (\theta_k - \mu')(\theta_k - \mu')^\top`, which are never
    stored: a draw is a random combination of the K deviations, at a cost linear in D.

    The decreasing extra variance :math:`Z_t = \max(0, z (1 - t / t_z))` keeps it from collapsing
    before it has arrived. A NaN return counts as the worst.

    When no parameter's standard deviation is larger than `tolx`, one population is drawn around the
    mean at distances of all orders of magnitude. If none of it is better than the last one was, by
    more than `tolfun` and by more than those returns differed, the run has converged; else its
    spread was lost before the mean had arrived.

    Attributes:
      population_size: P, candidates per iteration. Static.
      n_elites: K, the best candidates, to which the Gaussian is fitted. Static.
      episodes_per_candidate: episodes whose mean return ranks a candidate. Static.
      std: initial standard deviation of every parameter.
      extra_std: sqrt(z), the extra standard deviation at the start.
      extra_iterations: t_z, after how many iterations the extra variance is gone.
      min_std: the least standard deviation of a parameter.
      covariance: `"diagonal"`, or `"full"`: of rank K - 1 once the first elites are known. Static.
      tolx: standard deviation at which the spread is gone.
      tolfun: differences of returns that do not count then.
      restarts: what follows a collapse: `"none"`, or `"widen"`: the search begins anew where a
        better return was found, ten times as wide as that was away. Static.
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.

    References:
      Rubinstein and Kroese (2004); Szita and Lorincz (2006) for the extra variance.
    """

    name: ClassVar[str] = "cem"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=64)
    n_elites: int = eqx.field(static=True, default=16)
    episodes_per_candidate: int = eqx.field(static=True, default=4)
    std: float | Array = 1.0
    extra_std: float | Array = 0.0
    extra_iterations: float | Array = 50.0
    min_std: float | Array = 0.0
    covariance: Literal["diagonal", "full"] = eqx.field(static=True, default="diagonal")
    tolx: float | Array = 1e-11
    tolfun: float | Array = 1e-11
    restarts: Literal["none", "widen"] = eqx.field(static=True, default="none")
    common_random_numbers: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "CrossEntropyMethod", name, getattr(self, name), **limits
        )
        check("population_size", at_least=2, integer=True)
        check("n_elites", at_least=1, integer=True)
        check("episodes_per_candidate", at_least=1, integer=True)
        check("std", above=0)
        check("extra_std", at_least=0)
        check("extra_iterations", above=0)
        check("min_std", at_least=0)
        check("tolx", at_least=0)
        check("tolfun", at_least=0)
        check_choice("CrossEntropyMethod", "restarts", self.restarts, RESTARTS)
        check_choice("CrossEntropyMethod", "covariance", self.covariance, COVARIANCES)
        if self.n_elites > self.population_size:
            raise UpslopeError(
                f"CrossEntropyMethod keeps n_elites={self.n_elites} of population_size="
                f"{self.population_size} candidates: it cannot keep more than it draws."
            )

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> CrossEntropyState:
        theta, _ = ravel_parameters(policy)
        rank = self.n_elites if self.covariance == "full" else 0
        return CrossEntropyState(
            mean=policy,
            std=jnp.full_like(theta, self.std),
            deviations=jnp.zeros((rank, theta.size), theta.dtype),
            iteration=jnp.zeros((), int),
            phase=jnp.zeros((), int),
            bar=untried(),
        )

    def ask(self, key: Array, state: CrossEntropyState) -> Policy:
        mean, unravel = ravel_parameters(state.mean)
        around = state.phase == ASKING_AROUND
        std = jnp.where(around, self._distances(mean.dtype)[:, None], state.std[None])
        if self.covariance == "diagonal":
            noise = jax.random.normal(key, (self.population_size, mean.size), mean.dtype)
            return jax.vmap(unravel)(mean[None] + std * noise)
        key, mix = jax.random.split(key)
        noise = jax.random.normal(key, (self.population_size, mean.size), mean.dtype)
        mixed = jax.random.normal(mix, (self.population_size, self.n_elites), mean.dtype)
        steps = std * noise + mixed @ state.deviations
        return jax.vmap(unravel)(mean[None] + steps)

    def _distances(self, dtype: DTypeLike) -> Array:
        """Standard deviations [P, 1] of the candidates that ask around."""
        return self.std * 10.0 ** jnp.linspace(0, -DECADES, self.population_size, dtype=dtype)

    def tell(
        self,
        key: Array,
        state: CrossEntropyState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[CrossEntropyState, CrossEntropyDiagnostics]:
        theta = jax.vmap(lambda policy: ravel_parameters(policy)[0])(candidates)
        returns = ranked_returns(experience)
        elite_returns, elites = jax.lax.top_k(returns, self.n_elites)
        kept = theta[elites]
        left = jnp.maximum(0.0, 1.0 - state.iteration / self.extra_iterations)
        centre = jnp.mean(kept, axis=0)
        fitted = jnp.var(kept, axis=0)
        extra = left * self.extra_std**2
        total = jnp.maximum(jnp.sqrt(fitted + extra), self.min_std)
        if self.covariance == "diagonal":
            std, deviations = total, state.deviations
        else:
            deviations = (kept - centre[None]) / self.n_elites**0.5
            std = jnp.sqrt(jnp.maximum(jnp.square(total) - fitted, 0.0))
        mean = observed(ravel_parameters(state.mean)[1](centre), experience.moments)
        gone = jnp.all((total <= self.tolx) | (centre + 0.2 * total == centre))
        slack = jnp.maximum(self.tolfun, elite_returns[0] - jnp.min(returns))
        fitted_state = CrossEntropyState(
            mean=mean,
            std=std,
            deviations=deviations,
            iteration=state.iteration + 1,
            phase=jnp.where(gone, ASKING_AROUND, GOING),
            bar=elite_returns[0] + slack,
        )
        new, collapsed = self._answered(state, fitted_state, kept[0], elites[0], elite_returns[0])
        diagnostics = CrossEntropyDiagnostics(
            best=elite_returns[0],
            elite_threshold=elite_returns[-1],
            population_mean=finite_mean(returns),
            std=jnp.mean(total),
            collapses=collapsed.astype(int),
        )
        return new, diagnostics

    def _answered(
        self,
        state: CrossEntropyState,
        fitted: CrossEntropyState,
        best: Array,
        index: Array,
        value: Array,
    ) -> tuple[CrossEntropyState, Array]:
        """What follows the state: the fitted one while a run goes on, else what it found around.

        Args:
          state: before.
          fitted: with the Gaussian fitted to the elites.
          best: the best candidate's parameters [D].
          index: its place in the population.
          value: its return.
        """
        asked, better = state.phase == ASKING_AROUND, value > state.bar
        collapsed = asked & better
        ended = jnp.where(asked, jnp.where(better, COLLAPSED, ARRIVED), state.phase)
        over = state._replace(phase=ended)
        if self.restarts == "widen":
            std = jnp.broadcast_to(WIDER * self._distances(best.dtype)[index], state.std.shape)
            anew = CrossEntropyState(
                mean=ravel_parameters(state.mean)[1](best),
                std=std,
                deviations=jnp.zeros_like(state.deviations),
                iteration=jnp.zeros_like(state.iteration),
                phase=jnp.zeros_like(state.phase),
                bar=state.bar,
            )
            over = tree.where(collapsed, anew, over)
        return tree.where(state.phase == GOING, fitted, over), collapsed

    def stopped(self, state: CrossEntropyState) -> Array:
        return jnp.where(state.phase >= ARRIVED, state.phase, 0)

    def stop_reason(self, code: int) -> str:
        gone = f"tolx: no standard deviation is larger than {self.tolx:g}"
        if code == COLLAPSED:
            return (
                f"{gone}, and there are better points around: the spread was lost too early. Set "
                "restarts='widen', extra_std, more n_elites or covariance='full'"
            )
        return f"{gone}, and no better point was found around"

    def converged(self, code: int) -> bool:
        return code == ARRIVED

    def solution(self, state: CrossEntropyState) -> Policy:
        return state.mean
