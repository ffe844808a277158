"""Natural evolution strategies: the natural gradient of the expected return of a Gaussian."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Returns
from upslope.core.tree import ravel_parameters
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns
from upslope.search.evolution.candidate_returns import finite_mean, observed, ranked_returns
from upslope.search.evolution.cma.strategy_parameters import MAX_FULL, default_population_size
from upslope.search.evolution.population_scores import is_flat
from upslope.search.gradient.no_effect import CONVERGED, no_effect
from upslope.search.search_method import Defaults, SearchMethod


class NaturalEvolutionDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return of a candidate in this iteration (optimistic: a maximum)
    population_mean: Array
    std: Array  # mean standard deviation of a parameter
    flat: Array  # 1 if all returns are equal: nothing can be learned


def utilities(population_size: int) -> np.ndarray:
    r"""What the best, second best, ... candidate counts, [P]; they sum to zero.

    .. math:: u_k = \frac{\max(0, \ln(P/2 + 1) - \ln k)}{\sum_j \max(0, \ln(P/2 + 1) - \ln j)}
              - \frac1P

    References:
      Wierstra et al. (2014), equation 21.
    """
    raw = np.maximum(
        0.0, math.log(population_size / 2 + 1) - np.log(np.arange(1, population_size + 1))
    )
    return raw / raw.sum() - 1.0 / population_size


def utilities_of(returns: Array) -> Array:
    """The utility of each candidate [P] by the rank of its return [P]; equal returns share."""
    table = jnp.asarray(utilities(returns.shape[0]), returns.dtype)
    place = lambda order: table[jnp.argsort(order)]  # noqa: E731
    best_first = jnp.argsort(-returns, stable=True)
    reverse = jnp.argsort(-returns[::-1], stable=True)
    # Ties in the order of the candidates, and in the opposite one: pairs of ties share exactly.
    return 0.5 * (place(best_first) + place(reverse)[::-1])


class SNESState(NamedTuple):
    """What the next iteration needs."""

    mean: Policy  # the policy at the distribution's mean (with its observation moments)
    std: Array  # [D]


class SNES(SearchMethod[SNESState, Returns]):
    r"""Natural gradient ascent on the mean and the standard deviations of a Gaussian.

    .. math:: \theta_p = m + \sigma s_p, \qquad m \leftarrow m + \eta_m \sigma \sum_p u_p s_p,
              \qquad \sigma \leftarrow \sigma \exp\Big( \frac{\eta_\sigma}2
              \sum_p u_p (s_p^2 - 1) \Big)

    The score of a Gaussian, times the inverse of its Fisher matrix. Time and memory are linear in
    D. Invariant under monotone maps of the return. A NaN return counts as the worst.

    Attributes:
      population_size: P, candidates per iteration. Static.
      episodes_per_candidate: episodes whose mean return ranks a candidate. Static.
      std: initial standard deviation of every parameter.
      learning_rate: eta_m, the step size of the mean.
      std_learning_rate: eta_sigma, that of the standard deviations; None for
        (3 + ln D) / (5 sqrt D).
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.

    References:
      Wierstra et al. (2014), algorithm 6 and table 1; Schaul, Glasmachers and Schmidhuber (2011).
    """

    name: ClassVar[str] = "snes"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=32)
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    std: float | Array = 0.5
    learning_rate: float | Array = 1.0
    std_learning_rate: float | Array | None = None
    common_random_numbers: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_settings_of(self, "SNES")

    def population_for(self, dimension: int) -> int:
        return default_population_size(dimension)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> SNESState:
        policy = jax.tree.map(jnp.asarray, policy)
        theta, _ = ravel_parameters(policy)
        return SNESState(policy, jnp.full_like(theta, self.std))

    def ask(self, key: Array, state: SNESState) -> Policy:
        mean, unravel = ravel_parameters(state.mean)
        noise = jax.random.normal(key, (self.population_size, mean.size), mean.dtype)
        return jax.vmap(unravel)(mean[None] + state.std[None] * noise)

    def tell(
        self,
        key: Array,
        state: SNESState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[SNESState, NaturalEvolutionDiagnostics]:
        mean, unravel = ravel_parameters(state.mean)
        theta = jax.vmap(lambda policy: ravel_parameters(policy)[0])(candidates)
        returns = ranked_returns(experience).astype(theta.dtype)
        noise = (theta - mean[None]) / state.std[None]
        flat = is_flat(returns)
        still = flat | no_effect(mean, state.std)
        weights = jnp.where(still, 0.0, utilities_of(returns))
        rate = self.std_learning_rate
        if rate is None:
            rate = (3 + math.log(mean.size)) / (5 * math.sqrt(mean.size))
        std = state.std * jnp.exp(0.5 * rate * (weights @ (jnp.square(noise) - 1)))
        mean = unravel(mean + self.learning_rate * state.std * (weights @ noise))
        diagnostics = NaturalEvolutionDiagnostics(
            jnp.max(returns), finite_mean(returns), jnp.mean(std), flat
        )
        return SNESState(observed(mean, experience.moments), std), diagnostics

    def solution(self, state: SNESState) -> Policy:
        return state.mean

    def stopped(self, state: SNESState) -> Array:
        return no_effect(ravel_parameters(state.mean)[0], state.std).astype(int)

    def stop_reason(self, code: int) -> str:
        return CONVERGED


class XNESState(NamedTuple):
    """What the next iteration needs."""

    mean: Policy  # the policy at the distribution's mean (with its observation moments)
    sigma: Array  # scalar
    factor: Array  # B [D, D] of determinant 1: the covariance is sigma^2 B B'
    inverse: Array  # B^-1 [D, D]

    @property
    def stds(self) -> Array:
        """Standard deviation of each parameter, [D]."""
        return self.sigma * jnp.sqrt(jnp.sum(jnp.square(self.factor), axis=1))


class XNES(SearchMethod[XNESState, Returns]):
    r"""Natural gradient ascent on the mean and the whole covariance of a Gaussian.

    .. math:: \theta_p = m + \sigma B s_p, \qquad G = \sum_p u_p (s_p s_p^\top - I), \qquad
              m \leftarrow m + \eta_m \sigma B \sum_p u_p s_p, \\
              \sigma \leftarrow \sigma \exp\Big(\frac{\eta_\sigma}2 \frac{\operatorname{tr} G}D
              \Big), \qquad B \leftarrow B \exp\Big(\frac{\eta_B}2
              \Big(G - \frac{\operatorname{tr} G}D I\Big)\Big)

    Invariant under monotone maps of the return and rotations of theta. B^-1 is carried along, so
    that nothing is ever factorised. A NaN return counts as the worst.

    Attributes:
      population_size: P, candidates per iteration. Static.
      episodes_per_candidate: episodes whose mean return ranks a candidate. Static.
      std: initial standard deviation of every parameter.
      learning_rate: eta_m, the step size of the mean.
      std_learning_rate: eta_sigma = eta_B, that of the covariance; None for
        (9 + 3 ln D) / (5 D sqrt D).
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.

    Raises:
      UpslopeError: for a policy of more than 5000 parameters.

    References:
      Glasmachers et al. (2010), algorithm 1; Wierstra et al. (2014), algorithm 5 and table 1.
    """

    name: ClassVar[str] = "xnes"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=32)
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    std: float | Array = 0.5
    learning_rate: float | Array = 1.0
    std_learning_rate: float | Array | None = None
    common_random_numbers: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_settings_of(self, "XNES")

    def population_for(self, dimension: int) -> int:
        return default_population_size(dimension)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    def init(self, key: Array, policy: Policy, objective: Objective) -> XNESState:
        policy = jax.tree.map(jnp.asarray, policy)
        theta, _ = ravel_parameters(policy)
        if theta.size > MAX_FULL:
            raise UpslopeError(
                f"XNES got a policy of {theta.size} parameters: a full covariance matrix of more "
                f"than {MAX_FULL} is too large. Use 'snes', its separable form, or 'openai-es'."
            )
        eye = jnp.eye(theta.size, dtype=theta.dtype)
        return XNESState(policy, jnp.asarray(self.std, theta.dtype), eye, eye)

    def ask(self, key: Array, state: XNESState) -> Policy:
        mean, unravel = ravel_parameters(state.mean)
        noise = jax.random.normal(key, (self.population_size, mean.size), mean.dtype)
        return jax.vmap(unravel)(mean[None] + state.sigma * (noise @ state.factor.T))

    def tell(
        self,
        key: Array,
        state: XNESState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[XNESState, NaturalEvolutionDiagnostics]:
        mean, unravel = ravel_parameters(state.mean)
        theta = jax.vmap(lambda policy: ravel_parameters(policy)[0])(candidates)
        returns = ranked_returns(experience).astype(theta.dtype)
        noise = ((theta - mean[None]) / state.sigma) @ state.inverse.T
        flat = is_flat(returns)
        still = flat | no_effect(mean, state.stds)
        weights = jnp.where(still, 0.0, utilities_of(returns))
        size = mean.size
        rate = self.std_learning_rate
        if rate is None:
            rate = (9 + 3 * math.log(size)) / (5 * size * math.sqrt(size))
        eye = jnp.eye(size, dtype=mean.dtype)
        slope = (noise * weights[:, None]).T @ noise - jnp.sum(weights) * eye
        trace = jnp.trace(slope) / size
        turn = 0.5 * rate * (slope - trace * eye)
        factor, inverse = state.factor @ exponential(turn), exponential(-turn) @ state.inverse
        inverse = inverse @ (2 * eye - factor @ inverse)  # Newton's step takes rounding back
        step = state.sigma * (state.factor @ (weights @ noise))
        mean = unravel(mean + self.learning_rate * step)
        sigma = state.sigma * jnp.exp(0.5 * rate * trace)
        std = sigma * jnp.mean(jnp.sqrt(jnp.sum(jnp.square(factor), axis=1)))
        diagnostics = NaturalEvolutionDiagnostics(jnp.max(returns), finite_mean(returns), std, flat)
        return XNESState(observed(mean, experience.moments), sigma, factor, inverse), diagnostics

    def solution(self, state: XNESState) -> Policy:
        return state.mean

    def stopped(self, state: XNESState) -> Array:
        return no_effect(ravel_parameters(state.mean)[0], state.stds).astype(int)

    def stop_reason(self, code: int) -> str:
        return CONVERGED


def exponential(matrix: Array) -> Array:
    """exp(M) of a small matrix [D, D] by Taylor's series of M / 16, squared four times.

    Exact to rounding for norms up to 4. Matrix products alone, so that it may be vmapped freely.
    """
    eye = jnp.eye(matrix.shape[0], dtype=matrix.dtype)
    small, total = matrix / 16, eye
    for order in range(12, 0, -1):
        total = eye + small @ total / order
    for _ in range(4):
        total = total @ total
    return total


def check_settings_of(method: SNES | XNES, owner: str) -> None:
    """Raises for settings out of range."""
    check = lambda name, **limits: check_number(owner, name, getattr(method, name), **limits)  # noqa: E731
    check("population_size", at_least=2, integer=True)
    check("episodes_per_candidate", at_least=1, integer=True)
    check("std", above=0)
    check("learning_rate", above=0)
    if method.std_learning_rate is not None:
        check("std_learning_rate", above=0)
