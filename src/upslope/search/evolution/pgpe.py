"""Policy gradients with parameter-based exploration."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from upslope.core.checks import check_number
from upslope.core.distributions import DiagonalGaussian
from upslope.core.records import Returns
from upslope.core.tree import ravel_parameters
from upslope.estimators.expectation.score_function import score_function_gradient
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.evolution.candidate_returns import averaged_returns, finite_mean, observed
from upslope.search.evolution.population_scores import (
    check_population,
    check_shaping,
    is_flat,
    mirror,
    shaped,
)
from upslope.search.gradient.optimizer import ascent_transform, check_optimizer
from upslope.search.search_method import Defaults, SearchMethod


class PGPEState(NamedTuple):
    """What the next iteration needs."""

    mean: Policy  # the policy at the distribution's mean (with its observation moments)
    std: Array  # [D] of every parameter
    optimizer: optax.OptState  # of the mean


class PGPEDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return of a candidate in this iteration (optimistic: a maximum)
    population_mean: Array
    std: Array  # mean standard deviation of a parameter
    step_norm: Array  # how far the mean moved
    flat: Array  # 1 if all returns are equal: nothing can be learned


class PGPE(SearchMethod[PGPEState, Returns]):
    r"""Ascends the expected return of policies drawn from a Gaussian, in its mean and its spread.

    .. math:: \theta_p \sim \mathcal N(m, \operatorname{diag} \sigma^2), \qquad
              \hat g_m = \frac1P \sum_p f_p \frac{\theta_p - m}{\sigma^2}, \qquad
              \hat g_\sigma = \frac1P \sum_p (f_p - \bar f)
              \frac{(\theta_p - m)^2 - \sigma^2}{\sigma^3}, \qquad
              m \leftarrow m + \eta \operatorname{optimizer}(\sigma^2 \hat g_m), \quad
              \sigma \leftarrow \sigma + \eta_\sigma \sigma^2 \hat g_\sigma

    The log-derivative identity with x = theta: policies act deterministically, exploration is in
    their parameters. Candidates come in pairs of opposite noise, so that the even part of J cancels
    in the mean's gradient; the mean over the population is the baseline of sigma's. Both gradients
    are multiplied by sigma^2, as in the paper, so that steps are in units of sigma. A NaN return
    counts as the worst.

    Attributes:
      population_size: P, candidates per iteration; even. Static.
      episodes_per_candidate: episodes whose mean return is a candidate's. Static.
      std: initial standard deviation of every parameter.
      learning_rate: step size of the mean.
      std_learning_rate: step size of the standard deviations; 0 keeps them.
      max_std_change: share by which a standard deviation changes at most in one iteration.
      min_std: the least standard deviation of a parameter.
      optimizer: the mean's, the name of an optax optimizer. Static.
      shaping: `"ranks"`, `"standardized"` or `"returns"`. Static.
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.

    Raises:
      UpslopeError: for an odd population, or one below 2.

    References:
      Sehnke et al. (2010), equations 8 to 14 and algorithm 2.
    """

    name: ClassVar[str] = "pgpe"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=64)
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    std: float | Array = 0.1
    learning_rate: float | Array = 0.05
    std_learning_rate: float | Array = 0.1
    max_std_change: float | Array = 0.2
    min_std: float | Array = 1e-3
    optimizer: str = eqx.field(static=True, default="adam")
    shaping: Literal["ranks", "standardized", "returns"] = eqx.field(static=True, default="ranks")
    common_random_numbers: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number("PGPE", name, getattr(self, name), **limits)  # noqa: E731
        check_population("PGPE", self.population_size, mirrored=True)
        check("episodes_per_candidate", at_least=1, integer=True)
        check("std", above=0)
        check("learning_rate", above=0)
        check("std_learning_rate", at_least=0)
        check("max_std_change", above=0, below=1)
        check("min_std", at_least=0)
        check_optimizer("PGPE", self.optimizer)
        check_shaping("PGPE", self.shaping)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> PGPEState:
        policy = jax.tree.map(jnp.asarray, policy)
        theta, _ = ravel_parameters(policy)
        return PGPEState(
            policy, jnp.full_like(theta, self.std), ascent_transform(self.optimizer).init(theta)
        )

    def ask(self, key: Array, state: PGPEState) -> Policy:
        mean, unravel = ravel_parameters(state.mean)
        noise = jax.random.normal(key, (self.population_size // 2, mean.size), mean.dtype)
        return jax.vmap(unravel)(mean[None] + state.std[None] * mirror(noise))

    def gradients(
        self, mean: Array, std: Array, points: Array, returns: Array
    ) -> tuple[Array, Array]:
        """The gradients of E[f] in the mean and in the standard deviations, each [D].

        Args:
          mean: [D].
          std: [D].
          points: candidates [P, D].
          returns: finite [P].
        """
        credit = shaped(returns, self.shaping).astype(mean.dtype)

        def log_prob(parameters: tuple[Array, Array], point: Array) -> Array:
            return DiagonalGaussian(parameters[0], jnp.log(parameters[1])).log_prob(point)

        gradient = lambda f: score_function_gradient(  # noqa: E731
            log_prob, (mean, std), points, f / f.shape[0]
        )
        return gradient(credit)[0], gradient(credit - jnp.mean(credit))[1]

    def tell(
        self,
        key: Array,
        state: PGPEState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[PGPEState, PGPEDiagnostics]:
        mean, unravel = ravel_parameters(state.mean)
        points = jax.vmap(lambda policy: ravel_parameters(policy)[0])(candidates)
        returns = averaged_returns(experience)
        of_mean, of_std = self.gradients(mean, state.std, points, returns)
        variance = jnp.square(state.std)
        update: Any = ascent_transform(self.optimizer).update
        step, optimizer = update(variance * of_mean, state.optimizer, mean)
        step = self.learning_rate * step
        bound = self.max_std_change * state.std
        std = state.std + jnp.clip(self.std_learning_rate * variance * of_std, -bound, bound)
        std = jnp.maximum(std, self.min_std)
        diagnostics = PGPEDiagnostics(
            best=jnp.max(returns),
            population_mean=finite_mean(returns),
            std=jnp.mean(std),
            step_norm=jnp.sqrt(jnp.sum(jnp.square(step))),
            flat=is_flat(returns),
        )
        mean = observed(unravel(mean + step), experience.moments)
        return PGPEState(mean, std, optimizer), diagnostics

    def solution(self, state: PGPEState) -> Policy:
        return state.mean
