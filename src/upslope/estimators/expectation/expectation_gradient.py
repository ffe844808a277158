"""The contract of estimators of grad E[f], for any distribution and any f."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from upslope.core.annotations import Key, PyTree
from upslope.core.checks import check_number
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.density import DistributionLike

T = TypeVar("T")


class ExpectationGradient(eqx.Module):
    r"""Estimates the gradient of an expectation in the parameters of its distribution.

    .. math:: \nabla_\theta E_{x \sim p_\theta}[f(x)]

    f is a function of one sample x alone. JAX traces it where it can; any other Python function is
    called on the host and gives the same estimate; wrap one that draws its own random numbers in
    `OnHost`, or they are drawn once, while tracing. The estimators are pure: `jit` and `vmap` them.

    Attributes:
      n_samples: N, independent draws (pairs of draws for antithetic ones). Static.
    """

    n_samples: int = eqx.field(static=True, default=1000)

    def __check_init__(self) -> None:
        check_number(
            type(self).__name__,
            "n_samples",
            self.n_samples,
            at_least=1,
            integer=True,
            why="No estimate is made of no samples.",
        )

    @property
    @abc.abstractmethod
    def declaration(self) -> BiasStatement:
        """What it estimates, and whether without bias."""

    @abc.abstractmethod
    def per_sample(
        self,
        key: Key,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        f: Callable[[PyTree], ArrayLike],
    ) -> T:
        """The summands of the estimate, one a draw.

        Args:
          key: consumed.
          distribution_of: `theta -> distribution`, anything with `sample(key)` and `log_prob(x)`.
          parameters: theta, any tree of floating-point arrays.
          f: from one sample to a number.

        Returns:
          A tree of theta's structure whose leaves have a new first axis [N]. Their mean is the
          estimate; their spread over sqrt(N) its standard error.

        Raises:
          UpslopeError: for a distribution without `sample` or `log_prob`, for a sample of
            probability zero, and where this estimator does not exist for the distribution.
        """

    def estimate(
        self,
        key: Key,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        f: Callable[[PyTree], ArrayLike],
    ) -> T:
        """The estimate: the mean of `per_sample`, a tree of theta's structure."""
        rows = self.per_sample(key, distribution_of, parameters, f)
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), rows)
