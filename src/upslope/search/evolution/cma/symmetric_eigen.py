"""Eigenvalues of a symmetric matrix, safe under any vmap and paid for only when they are due."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import sequential_vmap


@sequential_vmap
def refreshed_axes(
    due: Array, matrix: Array, axes: Array, lengths: Array
) -> tuple[Array, Array, Array]:
    r"""Principal axes of an ellipsoid, computed anew if they are due.

    .. math:: C = B \operatorname{diag}(d^2) B^\top

    Under vmap the matrices are taken one after the other: a batched factorisation shares a thread
    pool with its neighbours in a program, and several of them can wait for each other for ever;
    and a branch that is not taken costs nothing, which it would in a batched one.

    Args:
      due: scalar bool.
      matrix: C [D, D], symmetric.
      axes: B [D, D] as last computed, a column an axis.
      lengths: d [D], ascending.

    Returns:
      C, B and d. Where rounding has left C an eigenvalue below machine precision times its
      largest, C is lifted by a multiple of the identity so that it is positive definite again.
    """

    def compute() -> tuple[Array, Array, Array]:
        symmetric = 0.5 * (matrix + matrix.T)
        values, vectors = jnp.linalg.eigh(symmetric, symmetrize_input=False)
        floor = jnp.finfo(matrix.dtype).eps * values[-1]
        lift = jnp.maximum(0.0, floor - values[0])
        eye = jnp.eye(matrix.shape[0], dtype=matrix.dtype)
        return symmetric + lift * eye, vectors, jnp.sqrt(values + lift)

    return jax.lax.cond(due, compute, lambda: (matrix, axes, lengths))
