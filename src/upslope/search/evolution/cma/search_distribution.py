"""Where CMA-ES begins, if not at an isotropic Gaussian: an earlier search's, or one of points."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.search.evolution.cma.covariance import DiagonalCovariance, FullCovariance, Shape

# Of the points that are known, so many are taken for promising ...
PROMISING = 0.1
# ... and the optimum is expected within this many first standard deviations of each.
SPREAD = 0.4


class SearchDistribution(eqx.Module):
    r"""The Gaussian :math:`\mathcal N(m, \sigma^2 C)` that a search begins with; sigma is `std`.

    Attributes:
      mean: m [D], in the coordinates that are searched.
      shape: C with its axes, or the variances of a separable one.
    """

    mean: Array
    shape: Shape

    def check(self, size: int, *, separable: bool) -> None:
        """Raises unless it is of so many parameters, and of the covariance that is searched with.

        Raises:
          UpslopeError: names both.
        """
        if self.mean.shape != (size,):
            raise UpslopeError(
                f"CMAES got a distribution of {self.mean.size} parameters for {size}: it must be "
                "of an equal number."
            )
        if isinstance(self.shape, DiagonalCovariance) is not separable:
            kinds = ("full", "separable") if separable else ("separable", "full")
            raise UpslopeError(
                f"CMAES got a distribution with a {kinds[0]} covariance and covariance="
                f"{kinds[1]!r}: search with the one that it has."
            )


def promising(
    points: np.ndarray, values: np.ndarray, std: float, *, separable: bool
) -> tuple[SearchDistribution, float]:
    r"""The Gaussian nearest to a mixture around the best tenth of some evaluated points.

    .. math:: m = \frac 1n \sum_{i \le n} x_i, \qquad
              \Sigma = \alpha^2 I + \frac 1n \sum_{i \le n} (x_i - m)(x_i - m)^\top, \qquad
              \sigma = |\Sigma|^{1 / 2D}, \quad C = \Sigma / \sigma^2

    Args:
      points: [K, D].
      values: [K], to be maximised, all finite.
      std: the first step size of a search that knows nothing; alpha is .4 of it.
      separable: only the variances of Sigma.

    Returns:
      The distribution and its step size.

    References:
      Nomura et al. (2021), Warm Starting CMA-ES for Hyperparameter Optimization, equations 10 and
      11; there .1 of the range, of which `std` is a quarter.
    """
    count = max(1, round(PROMISING * len(values)))
    best = points[np.argsort(-values, kind="stable")[:count]]
    mean, dimension = best.mean(axis=0), points.shape[1]
    sigma = (best - mean).T @ (best - mean) / count
    sigma += (SPREAD * std) ** 2 * np.eye(dimension)
    if separable:
        variances = np.diag(sigma)
        step = float(np.exp(np.mean(np.log(variances)) / 2))
        scales = jnp.asarray(np.sqrt(variances) / step)
        return SearchDistribution(jnp.asarray(mean), DiagonalCovariance(scales)), step
    lengths, axes = np.linalg.eigh(sigma)
    step = float(np.exp(np.mean(np.log(lengths)) / 2))
    shape = FullCovariance(
        jnp.asarray(sigma / step**2),
        jnp.asarray(axes),
        jnp.asarray(np.sqrt(lengths) / step),
        jnp.zeros((), int),
    )
    return SearchDistribution(jnp.asarray(mean), shape), step


def plain(distribution: SearchDistribution) -> SearchDistribution:
    """The same with NumPy arrays, which outlive a search."""
    return jax.tree.map(np.asarray, distribution)
