"""Linear regression from sums alone, and the directions in which there is nothing to regress on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.symmetric_eigen import symmetric_eigen

BLOCK = 4096  # rows that are factorised at once


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


@jax.jit
def covariance_factor(covariance: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """L with L L^T the covariance, whose negative eigenvalues are rounding."""
    values, vectors = symmetric_eigen(covariance)
    return vectors * jnp.sqrt(jnp.maximum(values, 0.0))[None]


class Triangle(NamedTuple):
    """Rows as their mean and the triangular factor of the centred ones: M = R^T R, uncomputed."""

    count: int
    mean: np.ndarray  # [W]
    factor: np.ndarray  # R [W, W]

    @classmethod
    def of(cls, rows: Callable[[slice], np.ndarray], count: int, width: int) -> Triangle:
        """Of N rows [N, W] that are asked for in blocks, so that they are never all there."""
        blocks = [slice(at, min(at + BLOCK, count)) for at in range(0, count, BLOCK)]
        mean = sum((rows(block).sum(axis=0) for block in blocks), np.zeros(width)) / count
        factor = np.zeros((width, width))
        for block in blocks:
            factor = _triangular(np.concatenate([factor, rows(block) - mean]))
        return cls(count, mean, factor)

    @property
    def comoments(self) -> Comoments:
        """The same as sums, which updates add to."""
        parts = (self.count, self.mean, self.factor.T @ self.factor)
        return Comoments(*(jnp.asarray(part, float) for part in parts))

    def regress(self, n_inputs: int, first: int, n_targets: int, ridge: float) -> Regression:
        """`regress` in double precision, without squaring the condition. Not for programs.

        Args:
          n_inputs: X, the components that come first.
          first: where the targets begin.
          n_targets: Y.
          ridge: see `regress`.

        References:
          Demmel et al. (2012), "Communication-optimal Parallel and Sequential QR and LU
          Factorizations", for the factor in blocks.
        """
        chosen = np.r_[np.arange(n_inputs), np.arange(first, first + n_targets)]
        mean = self.mean[chosen]
        factor = _triangular(self.factor[:, chosen])
        inner, outer = factor[:n_inputs, :n_inputs], factor[:n_inputs, n_inputs:]
        root = np.sqrt(self.count)
        std = np.linalg.norm(inner, axis=0) / root
        eps = np.finfo(np.float64).eps
        varies = std > 16.0 * eps * np.abs(mean[:n_inputs])
        inverse = np.where(varies, 1.0 / np.where(varies, std, 1.0), 0.0)
        left, singular, right = np.linalg.svd(inner * inverse / root)
        excited = singular > self.count * eps * max(singular.max(initial=0.0), 1.0)
        gain = np.where(excited, singular / np.where(excited, singular**2 + ridge, 1.0), 0.0)
        weights = inverse[:, None] * (right.T @ (gain[:, None] * (left.T @ outer))) / root
        off, rest = outer - inner @ weights, factor[n_inputs:, n_inputs:]
        residual = (off.T @ off + rest.T @ rest) / max(self.count - n_inputs - 1, 1)
        found = (
            mean[n_inputs:] - mean[:n_inputs] @ weights,
            weights,
            residual,
            np.where(excited, singular**2, 0.0),
            right.T,
        )
        return Regression(*(jnp.asarray(part, float) for part in found))


def _triangular(rows: np.ndarray) -> np.ndarray:
    """R with R^T R = rows^T rows."""
    return cast(np.ndarray, np.linalg.qr(rows, mode="r"))
