"""Least squares without a factorisation, so that it can be vmapped over seeds."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.scipy.sparse.linalg import cg


def least_squares(design: Array, target: Array) -> Array:
    r"""The vector of least norm among those of least squared error.

    .. math:: g = \arg\min_g \lVert X g - y \rVert^2

    By conjugate gradients on the normal equations of the smaller side, so that no matrix is
    factorised and fewer rows than columns are welcome.

    Args:
      design: X, [M, D].
      target: y, [M].

    Returns:
      g, [D].
    """
    rows, columns = design.shape
    steps = 2 * min(rows, columns) + 10
    tolerance = float(jnp.finfo(design.dtype).eps)
    if rows < columns:
        dual = cg(lambda v: design @ (design.T @ v), target, tol=tolerance, maxiter=steps)[0]
        return design.T @ dual
    normal = design.T @ target
    return cg(lambda v: design.T @ (design @ v), normal, tol=tolerance, maxiter=steps)[0]
