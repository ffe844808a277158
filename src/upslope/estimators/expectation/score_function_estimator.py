"""The score-function estimator of grad E[f], with control variates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Float

from upslope.core.annotations import Key, PyTree
from upslope.estimators.bias import BiasStatement
from upslope.estimators.expectation.control_variates import (
    ControlVariate,
    LeaveOneOutControlVariate,
)
from upslope.estimators.expectation.density import DistributionLike, draws, scores
from upslope.estimators.expectation.expectation_gradient import ExpectationGradient
from upslope.estimators.expectation.function_values import function_values

T = TypeVar("T")


class ScoreFunction(ExpectationGradient):
    r"""The likelihood-ratio estimator, also called REINFORCE.

    .. math:: \hat g = \frac1N \sum_i (f(x_i) - b_i) \nabla_\theta \log p_\theta(x_i)

    Unbiased whatever f is: discontinuous, unknown, on a discrete space. Its summands are
    independent where b is given, and nearly so where b is made of the other samples.

    Attributes:
      n_samples: N. Static.
      control: b.

    References:
      Mohamed et al. (2020), section 4; Williams (1992), theorem 1.
    """

    control: ControlVariate = eqx.field(default_factory=LeaveOneOutControlVariate)

    @property
    def declaration(self) -> BiasStatement:
        return self.control.declaration

    def per_sample(
        self,
        key: Key,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        f: Callable[[PyTree], ArrayLike],
    ) -> T:
        samples = draws("ScoreFunction", key, distribution_of(parameters), self.n_samples)
        values = function_values("ScoreFunction", f, samples)
        return self.of_samples(distribution_of, parameters, samples, values)

    def of_samples(
        self,
        distribution_of: Callable[[T], DistributionLike],
        parameters: T,
        samples: PyTree,
        values: Float[Array, " N"],
    ) -> T:
        """`per_sample` for samples [N, ...] drawn before, with f(x_i) in values [N].

        Raises:
          UpslopeError: when a sample has probability zero.
        """
        rows = scores("ScoreFunction", distribution_of, parameters, samples)
        matrix = jax.vmap(lambda row: ravel_pytree(row)[0])(rows)
        _, unravel = ravel_pytree(parameters)
        values = values[:, None]
        weighted = (values - self.control(values, matrix)) * matrix
        return jax.vmap(unravel)(weighted.astype(matrix.dtype))


def score_arrows(
    distribution_of: Callable[[T], DistributionLike],
    parameters: T,
    samples: PyTree,
    f: Callable[[PyTree], ArrayLike],
) -> T:
    r"""The arrow of every sample, :math:`f(x_i) \nabla_\theta \log p_\theta(x_i)`, as pictures of
    the score function at work draw them.

    With theta the mean of a Gaussian the arrow of x has the sign of f(x) (x - mean): good samples
    pull the density towards themselves, bad ones push it away.

    Returns:
      A tree of theta's structure with leaves [N, ...].
    """
    rows = scores("score_arrows", distribution_of, parameters, samples)
    values = function_values("score_arrows", f, samples)
    return jax.tree.map(lambda leaf: values.reshape(-1, *[1] * (leaf.ndim - 1)) * leaf, rows)
