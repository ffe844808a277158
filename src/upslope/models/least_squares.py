"""Linear regression from sums alone, and the directions in which there is nothing to regress on."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.symmetric_eigen import symmetric_eigen


class Comoments(NamedTuple):
    r"""Count, mean and centred products of rows, merged exactly.

    .. math:: M_{AB} = M_A + M_B + \frac{n_A n_B}{n_A + n_B} \, \delta \delta^\top,
              \quad \delta = \bar x_B - \bar x_A

    References:
      Chan, Golub and LeVeque (1983), for covariances.
    """

    count: Float[Array, ""]
    mean: Float[Array, " W"]
    products: Float[Array, "W W"]

    @classmethod
    def zeros(cls, size: int) -> Comoments:
        """Of no rows."""
        return cls(jnp.zeros(()), jnp.zeros(size), jnp.zeros((size, size)))

    @classmethod
    def of(cls, rows: Float[Array, "N W"], valid: Bool[Array, " N"]) -> Comoments:
        """Of rows, those alone that are valid."""
        weight = valid.astype(rows.dtype)
        count = jnp.sum(weight)
        kept = jnp.where(valid[:, None], rows, 0.0)
        mean = jnp.sum(kept, axis=0) / jnp.maximum(count, 1.0)
        centred = jnp.where(valid[:, None], rows - mean[None], 0.0)
        return cls(count, mean, centred.T @ centred)

    def merge(self, other: Comoments) -> Comoments:
        """Of both together."""
        count = self.count + other.count
        safe = jnp.maximum(count, 1.0)
        delta = other.mean - self.mean
        apart = jnp.outer(delta, delta) * (self.count * other.count / safe)
        mean = self.mean + delta * other.count / safe
        return Comoments(count, mean, self.products + other.products + apart)


class Regression(NamedTuple):
    """y = intercept + weights^T x."""

    intercept: Float[Array, " Y"]
    weights: Float[Array, "X Y"]
    residual: Float[Array, "Y Y"]  # covariance of what is left, unbiased
    excitation: Float[Array, " X"]  # eigenvalues of the correlations of x; 0: no data there
    directions: Float[Array, "X X"]  # their eigenvectors, as columns, in standard deviations of x


def regress(moments: Comoments, n_inputs: int, ridge: float | Array) -> Regression:
    r"""Least squares with intercept of the components after the first X on those.

    .. math:: W = S^{-1} (C + \rho I)^+ \, S^{-1} M_{xy} / n

    with S the standard deviations of x, C its correlations and rho the ridge. Directions of x in
    which nothing varies, up to rounding, get the weight zero: of all solutions the shortest one.
    It calls no LAPACK: it can be vmapped.

    Args:
      moments: of rows (x, y).
      n_inputs: X.
      ridge: rho >= 0, in units of the variance of each input.
    """
    count = jnp.maximum(moments.count, 1.0)
    cov = moments.products / count
    xx, xy, yy = cov[:n_inputs, :n_inputs], cov[:n_inputs, n_inputs:], cov[n_inputs:, n_inputs:]
    std = jnp.sqrt(jnp.diagonal(xx))
    eps = jnp.finfo(std.dtype).eps
    varies = std > 16.0 * eps * jnp.abs(moments.mean[:n_inputs])
    inverse = jnp.where(varies, 1.0 / jnp.where(varies, std, 1.0), 0.0)
    values, vectors = symmetric_eigen(inverse[:, None] * xx * inverse[None])
    excited = values > n_inputs * eps * jnp.maximum(jnp.max(values), 1.0)
    gain = jnp.where(excited, 1.0 / jnp.where(excited, values + ridge, 1.0), 0.0)
    scaled = vectors @ (gain[:, None] * (vectors.T @ (inverse[:, None] * xy)))
    weights = inverse[:, None] * scaled
    intercept = moments.mean[n_inputs:] - moments.mean[:n_inputs] @ weights
    left = yy - weights.T @ xy - xy.T @ weights + weights.T @ xx @ weights
    free = jnp.maximum(moments.count - n_inputs - 1.0, 1.0)
    return Regression(
        intercept, weights, left * count / free, jnp.where(excited, values, 0.0), vectors
    )


def covariance_factor(covariance: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """L with L L^T the covariance, whose negative eigenvalues are rounding."""
    values, vectors = symmetric_eigen(covariance)
    return vectors * jnp.sqrt(jnp.maximum(values, 0.0))[None]


def exact_regression(inputs: np.ndarray, targets: np.ndarray, ridge: float) -> Regression:
    """The same from the rows themselves, [N, X] and [N, Y], in double precision; not for programs.

    It does not square the condition of the inputs, and its residuals are those of the rows.
    """
    n_rows, n_inputs = inputs.shape
    mean, target_mean = inputs.mean(axis=0), targets.mean(axis=0)
    centred, aim = inputs - mean, targets - target_mean
    std = np.sqrt(np.mean(centred**2, axis=0))
    eps = np.finfo(np.float64).eps
    varies = std > 16.0 * eps * np.abs(mean)
    inverse = np.where(varies, 1.0 / np.where(varies, std, 1.0), 0.0)
    left, singular, right = np.linalg.svd(centred * inverse / np.sqrt(n_rows), full_matrices=False)
    excited = singular > max(n_rows, n_inputs) * eps * max(singular.max(initial=0.0), 1.0)
    gain = np.where(excited, singular / np.where(excited, singular**2 + ridge, 1.0), 0.0)
    weights = inverse[:, None] * (right.T @ (gain[:, None] * (left.T @ aim))) / np.sqrt(n_rows)
    rest = aim - centred @ weights
    values = np.zeros(n_inputs)
    values[: len(singular)] = np.where(excited, singular**2, 0.0)
    vectors = np.linalg.svd(right, full_matrices=True)[2].T if len(singular) < n_inputs else right.T
    if len(singular) < n_inputs:
        vectors = np.c_[right.T, vectors[:, len(singular) :]]
    found = (
        target_mean - mean @ weights,
        weights,
        rest.T @ rest / max(n_rows - n_inputs - 1, 1),
        values,
        vectors,
    )
    return Regression(*(jnp.asarray(part, float) for part in found))
