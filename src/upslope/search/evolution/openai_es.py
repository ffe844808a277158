"""OpenAI's evolution strategy, whose workers exchange seeds and returns alone."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import DTypeLike

from upslope.core.checks import UpslopeError, check_number
from upslope.core.distributions import DiagonalGaussian
from upslope.core.moments import Moments
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
    shaped,
)
from upslope.search.gradient.optimizer import ascent_transform, check_optimizer
from upslope.search.search_method import Defaults, SearchMethod


class OpenAIESState(NamedTuple):
    """What the next iteration needs."""

    policy: Policy  # at theta (with its observation moments)
    optimizer: optax.OptState


class OpenAIESDiagnostics(NamedTuple):
    """What its users look at."""

    best: Array  # best mean return of a candidate in this iteration (optimistic: a maximum)
    population_mean: Array
    gradient_norm: Array  # before weight decay
    step_norm: Array  # how far theta moved
    flat: Array  # 1 if all returns are equal: nothing can be learned


class OpenAIES(SearchMethod[OpenAIESState, Returns]):
    r"""Ascends the smoothed return by the score of a Gaussian around the policy's parameters.

    .. math:: \hat g = \frac1{P \sigma} \sum_p f_p \epsilon_p, \qquad
              \theta \leftarrow \theta + \eta \, \text{optimizer}(\hat g - \lambda \theta)

    The log-derivative identity with x = theta. With `shaping="returns"` f is the return and g
    unbiased for the gradient of the smoothed J; with centred ranks (the default) it is insensitive
    to outliers and scale, and as in the released code the factor 1 / sigma is left out, which
    the weight decay is matched to. Noise is a function of a seed: whoever knows theta, the seeds
    and the returns computes the same update, bit for bit (`tell_seeds`), so that nothing else has
    to travel between workers. A NaN return counts as the worst.

    Attributes:
      population_size: P, candidates per iteration; even when mirrored. Static.
      episodes_per_candidate: episodes whose mean return is a candidate's. Static.
      std: sigma, the standard deviation of the noise on every parameter.
      learning_rate: eta, the step size.
      weight_decay: lambda, how strongly parameters are pulled to zero.
      optimizer: the name of an optax optimizer. Static.
      shaping: `"ranks"`, `"standardized"` or `"returns"`. Static.
      mirrored: candidates in pairs of opposite noise. Static.
      common_random_numbers: all candidates of an iteration meet the same randomness. Static.

    Raises:
      UpslopeError: for an odd population of mirrored pairs, or one below 2.

    References:
      Salimans et al. (2017), algorithms 1 and 2; defaults of the released Humanoid configuration.
    """

    name: ClassVar[str] = "openai-es"
    defaults: ClassVar[Defaults] = Defaults(policy="deterministic")
    population_size: int = eqx.field(static=True, default=64)
    episodes_per_candidate: int = eqx.field(static=True, default=1)
    std: float | Array = 0.02
    learning_rate: float | Array = 0.01
    weight_decay: float | Array = 0.005
    optimizer: str = eqx.field(static=True, default="adam")
    shaping: Literal["ranks", "standardized", "returns"] = eqx.field(static=True, default="ranks")
    mirrored: bool = eqx.field(static=True, default=True)
    common_random_numbers: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check = lambda name, **limits: check_number(  # noqa: E731
            "OpenAIES", name, getattr(self, name), **limits
        )
        check_population("OpenAIES", self.population_size, mirrored=self.mirrored)
        check("episodes_per_candidate", at_least=1, integer=True)
        check("std", above=0)
        check("learning_rate", above=0)
        check("weight_decay", at_least=0)
        check_optimizer("OpenAIES", self.optimizer)
        check_shaping("OpenAIES", self.shaping)

    @property
    def experience(self) -> EpisodeReturns:
        return EpisodeReturns(
            self.population_size, self.episodes_per_candidate, self.common_random_numbers
        )

    @property
    def n_seeds(self) -> int:
        """Draws of noise per iteration: P, or P / 2 when mirrored."""
        return self.population_size // 2 if self.mirrored else self.population_size

    def init(self, key: Array, policy: Policy, objective: Objective) -> OpenAIESState:
        policy = jax.tree.map(jnp.asarray, policy)
        theta, _ = ravel_parameters(policy)
        return OpenAIESState(policy, ascent_transform(self.optimizer).init(theta))

    def seeds(self, key: Array) -> Array:
        """The seeds of one iteration, [n_seeds] uint32, drawn from its key (of `ask`)."""
        return jax.random.bits(key, (self.n_seeds,), jnp.uint32)

    def noise(self, seeds: Array, size: int, dtype: DTypeLike = float) -> Array:
        """epsilon [n, D] of seeds [n]: the same numbers wherever it is called."""
        one = lambda seed: jax.random.normal(jax.random.key(seed), (size,), dtype)  # noqa: E731
        return jax.vmap(one)(seeds)

    def candidates(self, state: OpenAIESState, seeds: Array) -> Policy:
        """The policies that some seeds [n] stand for: n, or when mirrored the n of positive and
        then the n of negative sign. A worker evaluates those of its own seeds."""
        theta, unravel = ravel_parameters(state.policy)
        noise = self.std * self.noise(seeds, theta.size, theta.dtype)
        points = theta[None] + noise
        if self.mirrored:
            points = jnp.concatenate([points, theta[None] - noise])
        return jax.vmap(unravel)(points)

    def ask(self, key: Array, state: OpenAIESState) -> Policy:
        return self.candidates(state, self.seeds(key))

    def tell(
        self,
        key: Array,
        state: OpenAIESState,
        candidates: Policy,
        experience: Returns,
        objective: Objective,
    ) -> tuple[OpenAIESState, OpenAIESDiagnostics]:
        theta, _ = ravel_parameters(state.policy)
        points = jax.vmap(lambda policy: ravel_parameters(policy)[0])(candidates)
        noise = (points - theta[None]) / self.std
        return self._update(state, noise, averaged_returns(experience), experience.moments)

    def tell_seeds(
        self, state: OpenAIESState, seeds: Array, returns: Array, moments: Moments | None = None
    ) -> tuple[OpenAIESState, OpenAIESDiagnostics]:
        """`tell` from what travels between workers: every one computes the same state.

        Args:
          state: theta and the optimizer, the same at every worker.
          seeds: [n] uint32, of all workers, in an order all agree on.
          returns: [P, E] in the order of `candidates(state, seeds)`.
          moments: of the observations of all workers, when the policy normalises.

        Raises:
          UpslopeError: when there are not two returns (one unless mirrored) for each seed.
        """
        expected = seeds.shape[0] * (2 if self.mirrored else 1)
        if returns.shape[0] != expected:
            raise UpslopeError(
                f"OpenAIES got {returns.shape[0]} returns for {seeds.shape[0]} seeds: it needs "
                f"{expected}, those of positive sign first."
            )
        theta, _ = ravel_parameters(state.policy)
        noise = self.noise(seeds, theta.size, theta.dtype)
        if self.mirrored:
            noise = jnp.concatenate([noise, -noise])
        experience = Returns(returns.reshape(expected, -1), jnp.zeros(()))
        return self._update(state, noise, averaged_returns(experience), moments)

    def gradient(self, noise: Array, returns: Array) -> Array:
        """g [D] from noise [P, D] and finite returns [P]."""
        credit = shaped(returns, self.shaping).astype(noise.dtype) / returns.shape[0]

        def log_prob(mean: Array, point: Array) -> Array:
            return DiagonalGaussian(mean, jnp.zeros_like(mean)).log_prob(point)

        score = score_function_gradient(log_prob, jnp.zeros_like(noise[0]), noise, credit)
        return score if self.shaping == "ranks" else score / self.std

    def _update(
        self, state: OpenAIESState, noise: Array, returns: Array, moments: Moments | None
    ) -> tuple[OpenAIESState, OpenAIESDiagnostics]:
        theta, unravel = ravel_parameters(state.policy)
        gradient = self.gradient(noise, returns)
        pulled = gradient - self.weight_decay * theta
        update: Any = ascent_transform(self.optimizer).update
        step, optimizer = update(pulled, state.optimizer, theta)
        step = self.learning_rate * step
        norm = lambda x: jnp.sqrt(jnp.sum(jnp.square(x)))  # noqa: E731
        diagnostics = OpenAIESDiagnostics(
            best=jnp.max(returns),
            population_mean=finite_mean(returns),
            gradient_norm=norm(gradient),
            step_norm=norm(step),
            flat=is_flat(returns),
        )
        policy = observed(unravel(theta + step), moments)
        return OpenAIESState(policy, optimizer), diagnostics

    def solution(self, state: OpenAIESState) -> Policy:
        return state.policy
