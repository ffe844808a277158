"""Small dense linear systems, safe under any vmap: elimination by products, without LAPACK."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

Carry = TypeVar("Carry")
# Up to this size the elimination is written out, which a compiled program runs in one go.
WRITTEN_OUT = 4


def solve(matrix: Float[Array, "n n"], right: Float[Array, "n k"]) -> Float[Array, "n k"]:
    r"""X of A X = B by Gauss-Jordan elimination with partial pivoting.

    Differentiable in both by the implicit function theorem. A singular A gives infinities or NaN.

    Args:
      matrix: A.
      right: B.

    References:
      Golub and Van Loan (2013), section 3.4.
    """

    matrix, right = jnp.asarray(matrix), jnp.asarray(right)

    def forward(_: object, right: Array) -> Array:
        return _eliminated(matrix, right)

    def backward(_: object, right: Array) -> Array:
        return _eliminated(matrix.T, right)

    def product(x: Array) -> Array:
        return matrix @ x

    found: Array = jax.lax.custom_linear_solve(product, right, forward, backward)  # pyright: ignore[reportUnknownMemberType]
    return found


def positive_solve(
    matrix: Float[Array, "n n"], right: Float[Array, "n k"]
) -> tuple[Float[Array, "n k"], Float[Array, " n"]]:
    r"""X of A X = B for a symmetric A, and the pivots D of A = L D L^T.

    A is positive definite exactly when every pivot is above zero; its determinant is their
    product.

    Args:
      matrix: A, symmetric.
      right: B.
    """
    n = matrix.shape[0]

    def eliminate(
        step: int | Array, carry: tuple[Array, Array, Array]
    ) -> tuple[Array, Array, Array]:
        matrix, right, pivots = carry
        pivots = pivots.at[step].set(matrix[step, step])
        return *_cleared(step, matrix, right), pivots

    _, solution, pivots = _loop(n, eliminate, (matrix, right, jnp.zeros(n, matrix.dtype)))
    return solution, pivots


def _eliminated(matrix: Array, right: Array) -> Array:
    rows = jnp.arange(matrix.shape[0])

    def eliminate(step: int | Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        matrix, right = carry
        below = jnp.where(rows >= step, jnp.abs(matrix[:, step]), -1.0)
        best = jnp.argmax(below)
        order = jnp.where(rows == step, best, jnp.where(rows == best, step, rows))
        return _cleared(step, matrix[order], right[order])

    return _loop(matrix.shape[0], eliminate, (matrix, right))[1]


def _cleared(step: int | Array, matrix: Array, right: Array) -> tuple[Array, Array]:
    """A column is made a column of the identity, with the pivot where it stands."""
    pivot = matrix[step, step]
    row, row_right = matrix[step] / pivot, right[step] / pivot
    here = (jnp.arange(matrix.shape[0]) == step)[:, None]
    column = matrix[:, step][:, None]
    return (
        jnp.where(here, row[None], matrix - column * row[None]),
        jnp.where(here, row_right[None], right - column * row_right[None]),
    )


def _loop(n: int, body: Callable[[int | Array, Carry], Carry], start: Carry) -> Carry:
    if n <= WRITTEN_OUT:
        for step in range(n):
            start = body(step, start)
        return start
    return cast(Carry, jax.lax.fori_loop(0, n, body, start))  # pyright: ignore[reportUnknownMemberType]
