"""The score-function estimator on pairs of mirrored draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from upslope.core.annotations import Key, PyTree
from upslope.core.checks import UpslopeError
from upslope.core.distributions import Bernoulli, DiagonalGaussian, TanhGaussian
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.density import DistributionLike, check_distribution, scores
from upslope.estimators.expectation.expectation_gradient import ExpectationGradient
from upslope.estimators.expectation.function_values import function_values

T = TypeVar("T")


def mirror_of(owner: str, distribution: DistributionLike) -> Callable[[Array], Array]:
    """How the noise of a distribution is reflected at the centre of its distribution.

    A distribution of one's own says so with methods `noise(key)`, `from_noise(noise)` and
    `mirror(noise)`; the mirrored noise has the distribution of the noise.

    Raises:
      UpslopeError: when it is not known to be symmetric (the noise of a categorical is not).
    """
    if hasattr(distribution, "mirror") and hasattr(distribution, "from_noise"):
        return getattr(distribution, "mirror")  # noqa: B009
    if isinstance(distribution, DiagonalGaussian | TanhGaussian):
        return lambda noise: -noise
    if isinstance(distribution, Bernoulli):
        return lambda noise: 1.0 - noise
    raise UpslopeError(
        f"{owner} got a {type(distribution).__name__}, whose noise is not known to be symmetric: "
        "use ScoreFunction, or give it methods noise(key), from_noise(noise) and mirror(noise)."
    )


class AntitheticScoreFunction(ExpectationGradient):
    r"""Score-function estimate from draws in mirrored pairs.

    .. math:: \hat g = \frac1N \sum_i \tfrac12 \big( f(x_i^+) \nabla\log p(x_i^+)
                       + f(x_i^-) \nabla\log p(x_i^-) \big), \qquad x^\pm = x(\pm\varepsilon)

    Both halves of a pair have the density p, so it is unbiased for any f. For the mean of a
    Gaussian the even part of f cancels exactly, whatever constant f holds; for its scale nothing is
    gained.

    Attributes:
      n_samples: N pairs: f is asked 2 N times. Static.

    References:
      Owen (2013), "Monte Carlo theory, methods and examples", section 8.2.
    """

    @property
    def declaration(self) -> BiasStatement:
        return BiasStatement(
            "grad E[f]",
            True,
            "each half of a mirrored pair follows p by itself",
            "Owen (2013), section 8.2",
        )

    def per_sample(
        self,
        key: Key,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        f: Callable[[PyTree], ArrayLike],
    ) -> T:
        owner = "AntitheticScoreFunction"
        distribution: Any = distribution_of(parameters)  # with noise, see `mirror_of`
        check_distribution(owner, distribution)
        mirror = mirror_of(owner, distribution)
        noise = jax.vmap(distribution.noise)(jax.random.split(key, self.n_samples))
        both = jnp.concatenate([noise, mirror(noise)])
        samples = jax.lax.stop_gradient(jax.vmap(distribution.from_noise)(both))
        values = function_values(owner, f, samples)
        rows = scores(owner, distribution_of, parameters, samples)

        def pairs(leaf: Array) -> Array:
            weighted = values.reshape(-1, *[1] * (leaf.ndim - 1)) * leaf
            return 0.5 * (weighted[: self.n_samples] + weighted[self.n_samples :])

        return jax.tree.map(pairs, rows)
