"""The score function with x a vector of policy parameters: evolution strategies."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.distributions import DiagonalGaussian
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.control_variates import LeaveOneOutControlVariate
from upslope.estimators.expectation.score_function import score_function_gradient
from upslope.estimators.population.population_estimator import PopulationEstimator

OWNER = "SmoothedScore"


def centred_ranks(returns: Array) -> Array:
    """Ranks of returns [P] spread evenly over [-1/2, 1/2]; a NaN ranks as the worst.

    References:
      Salimans et al. (2017), section 2.1.
    """
    order = jnp.argsort(jnp.where(jnp.isnan(returns), -jnp.inf, returns))
    ranks = jnp.argsort(order).astype(returns.dtype)
    return ranks / max(returns.shape[0] - 1, 1) - 0.5


class SmoothedScore(PopulationEstimator):
    r"""The gradient of J smoothed by a Gaussian, by the log-derivative identity.

    .. math:: \nabla_\theta E_{\theta' \sim N(\theta, \sigma^2 I)}[J(\theta')]
              \approx \frac1P \sum_p (J(\theta'_p) - b_p) \frac{\theta'_p - \theta}{\sigma^2}

    Unbiased for the smoothed objective, whatever J is; that is grad J itself for a quadratic J, and
    approaches it as sigma falls. The factor 1/sigma that some code leaves out is here.

    Attributes:
      population_size: P. Static.
      std: sigma, in units of theta.
      mirrored: perturbations in pairs of opposite sign (P is even): J's even part cancels. Else
        b is the mean of the other returns. Static.
      ranks: use centred ranks in the place of returns: insensitive to outliers and to the scale of
        rewards. **Biased**: not the gradient of E[J]. Static.

    Raises:
      UpslopeError: when P is odd and mirrored, below 2, or std not positive.

    References:
      Salimans et al. (2017), equation 1 and algorithm 1; Wierstra et al. (2014).
    """

    population_size: int = eqx.field(static=True, default=64)
    std: float | Array = 0.1
    mirrored: bool = eqx.field(static=True, default=True)
    ranks: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_number(OWNER, "population_size", self.population_size, at_least=2, integer=True)
        check_number(OWNER, "std", self.std, above=0.0)
        if self.mirrored and self.population_size % 2:
            raise UpslopeError(
                f"{OWNER} got population_size={self.population_size}: mirrored perturbations come "
                "in pairs. Use an even number or mirrored=False."
            )

    @property
    def declaration(self) -> BiasStatement:
        reference = "Salimans et al. (2017), equation 1"
        if self.ranks:
            return BiasStatement(
                "grad E[J(theta + std z)]",
                False,
                "ranks take the place of returns, so that the scale of J is lost",
                "Salimans et al. (2017), section 2.1",
            )
        return BiasStatement(
            "grad E[J(theta + std z)]",
            True,
            "the log-derivative identity; for grad J itself the error is of order std^2",
            reference,
        )

    def perturb(self, key: Array, theta: Array) -> Array:
        count = self.population_size // 2 if self.mirrored else self.population_size
        noise = self.std * jax.random.normal(key, (count, theta.shape[0]), theta.dtype)
        if self.mirrored:
            noise = jnp.concatenate([noise, -noise])
        return theta[None, :] + noise

    def slope(self, theta: Array, points: Array, returns: Array) -> Array:
        credit = centred_ranks(returns) if self.ranks else returns
        if not self.mirrored and not self.ranks:
            credit = credit - LeaveOneOutControlVariate()(credit[:, None], None)[:, 0]
        log_std = jnp.full(theta.shape, jnp.log(self.std), theta.dtype)

        def log_prob(mean: Array, point: Array) -> Array:
            return DiagonalGaussian(mean, log_std).log_prob(point)

        return score_function_gradient(log_prob, theta, points, credit / returns.shape[0])
