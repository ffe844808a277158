"""The pathwise (reparameterised) estimator of grad E[f]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from upslope.core.annotations import Key, PyTree
from upslope.core.checks import UpslopeError
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.density import DistributionLike, check_distribution, draw
from upslope.estimators.expectation.expectation_gradient import ExpectationGradient
from upslope.estimators.expectation.function_values import traceable

T = TypeVar("T")


class Pathwise(ExpectationGradient):
    r"""Differentiates f along the path from fixed noise to the sample.

    .. math:: \hat g = \frac1N \sum_i \nabla_\theta f(x_\theta(\varepsilon_i))

    Unbiased when f is continuous and differentiable almost everywhere. It is **wrong without a
    sign of it** for a discontinuous f: jumps have derivative zero where they are not (an indicator
    gets the gradient 0). Discrete distributions have no path and are refused.

    References:
      Mohamed et al. (2020), section 5; Kingma and Welling (2014).
    """

    @property
    def declaration(self) -> BiasStatement:
        return BiasStatement(
            "grad E[f]",
            True,
            "f is continuous and differentiable almost everywhere, and so is the sample in theta",
            "Mohamed et al. (2020), section 5",
        )

    def per_sample(
        self,
        key: Key,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        f: Callable[[PyTree], ArrayLike],
    ) -> T:
        distribution = distribution_of(parameters)
        check_path(distribution)
        keys = jax.random.split(key, self.n_samples)
        if not traceable(f, jax.eval_shape(jax.vmap(lambda k: draw(distribution, k)), keys)):
            raise UpslopeError(
                "Pathwise differentiates f, and JAX cannot trace this one: use ScoreFunction, "
                "which asks for its values alone."
            )

        def along(parameters: T, key: Key) -> ArrayLike:
            distribution: Any = distribution_of(parameters)
            if hasattr(distribution, "from_noise"):
                return f(distribution.from_noise(distribution.noise(key)))
            return f(draw(distribution, key))

        return jax.vmap(jax.grad(along), in_axes=(None, 0))(parameters, keys)


def check_path(distribution: DistributionLike) -> None:
    """Raises unless samples of the distribution can be differentiated in its parameters."""
    check_distribution("Pathwise", distribution)
    name = type(distribution).__name__
    sample = jax.eval_shape(lambda key: draw(distribution, key), jax.random.key(0))
    continuous = all(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in jax.tree.leaves(sample))
    # What NumPyro and distrax say of themselves; silence is consent.
    says = getattr(distribution, "has_rsample", True)
    if not continuous or not says:
        reason = "is discrete" if not continuous else "is not reparameterised"
        raise UpslopeError(
            f"Pathwise got a {name}, which {reason}: no gradient flows through its samples. Use "
            "ScoreFunction, MeasureValued or (for Bernoulli and Categorical) Relax."
        )
