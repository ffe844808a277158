"""grad E_p[f] from samples of another distribution q."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from upslope.core.annotations import Key, PyTree
from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.density import (
    DistributionLike,
    check_distribution,
    draws,
    log_densities,
    scores,
)
from upslope.estimators.expectation.expectation_gradient import ExpectationGradient
from upslope.estimators.expectation.function_values import function_values
from upslope.estimators.expectation.importance_weights import (
    WEIGHTINGS,
    ImportanceEstimate,
    Weighting,
    check_weights,
    importance_estimate,
    normalized_weights,
)

T = TypeVar("T")
OWNER = "ImportanceSampling"
REFERENCE = "Tang and Abbeel (2010), section 3"


class ImportanceSampling(ExpectationGradient):
    r"""The gradient of an importance-weighted estimate of E_p[f] with samples of q.

    .. math:: \hat g = \frac1N \sum_i w_i f(x_i) \nabla_\theta \log p_\theta(x_i), \qquad
              w_i = \frac{p_\theta(x_i)}{q(x_i)}, \quad x_i \sim q

    Self-normalised: :math:`\sum_i \bar w_i (f(x_i) - \bar f) \nabla \log p(x_i)` with
    :math:`\bar f = \sum_i \bar w_i f(x_i)`. At q = p the ordinary form is the score function.
    Outside of jit an `ImportanceWeightWarning` says when the weights cannot be trusted.

    Attributes:
      n_samples: N. Static.
      proposal: q, a distribution. It must cover p wherever f is not 0.
      weighting: `"ordinary"`, `"self-normalized"` or `"clipped"`. Static.
      clip: c, above which weights are cut, for `"clipped"`.

    References:
      Tang and Abbeel (2010), section 3; Owen (2013), chapter 9.
    """

    proposal: Any = None
    weighting: Weighting = eqx.field(static=True, default="ordinary")
    clip: float | Array = 10.0

    def __check_init__(self) -> None:
        check_choice(OWNER, "weighting", self.weighting, WEIGHTINGS)
        check_number(OWNER, "clip", self.clip, above=0.0)
        if self.proposal is None:
            raise UpslopeError(f"{OWNER} got no proposal: give the distribution to sample from.")
        check_distribution(OWNER, self.proposal)

    @property
    def declaration(self) -> BiasStatement:
        target = "grad E_p[f]"
        if self.weighting == "ordinary":
            reason = "the proposal covers p wherever f is not 0 (its variance may be infinite)"
            return BiasStatement(target, True, reason, REFERENCE)
        if self.weighting == "clipped":
            reason = "what the clip cuts off the weights is missing; the variance is bounded for it"
            return BiasStatement(target, False, reason, "Ionides (2008)")
        reason = "a ratio of two estimates: a bias of order 1/N, which vanishes as N grows"
        return BiasStatement(target, False, reason, "Owen (2013), section 9.2")

    def per_sample(
        self,
        key: Key,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        f: Callable[[PyTree], ArrayLike],
    ) -> T:
        samples, log_weight = self.weigh(key, distribution_of(parameters))
        check_weights(OWNER, log_weight)
        values = function_values(OWNER, f, samples)
        used = log_weight > -jnp.inf
        rows = scores(OWNER, distribution_of, parameters, samples, used)
        u = normalized_weights(log_weight, self.weighting, self.clip)
        if self.weighting == "self-normalized":
            values = values - jnp.sum(jnp.where(used, u * values, 0.0))
        weight = jnp.where(used, u * values * self.n_samples, 0.0)
        return jax.tree.map(lambda leaf: weight.reshape(-1, *[1] * (leaf.ndim - 1)) * leaf, rows)

    def weigh(self, key: Key, target: DistributionLike) -> tuple[PyTree, Float[Array, " N"]]:
        """Samples of q, leaves [N, ...], and their log weights [N]. The key is consumed."""
        check_distribution(OWNER, target)
        samples = draws(OWNER, key, self.proposal, self.n_samples)
        log_weight = log_densities(target, samples) - log_densities(self.proposal, samples)
        return samples, jax.lax.stop_gradient(log_weight)

    def expectation(
        self, key: Key, target: DistributionLike, f: Callable[[PyTree], ArrayLike]
    ) -> ImportanceEstimate:
        """E_p[f] itself for a target distribution p, its standard error and the effective sample
        size. The key is consumed."""
        samples, log_weight = self.weigh(key, target)
        values = function_values(OWNER, f, samples)
        clip = self.clip if self.weighting == "clipped" else math.inf
        return importance_estimate(log_weight, values, self.weighting, clip)
