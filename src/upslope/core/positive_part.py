"""The positive semidefinite part of a symmetric matrix, without an eigendecomposition."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

# The sign of an eigenvalue is found where its share of the norm is above 1.875^-24, about 3e-7.
ITERATIONS = 24


def positive_part(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    r"""The nearest positive semidefinite matrix: negative eigenvalues become zero.

    .. math:: H_+ = \tfrac12 (H + H \operatorname{sign}(H))

    The sign comes from Newton and Schulz's iteration of the fifth order, products alone, so that
    it may be vmapped. Exact to rounding for eigenvalues above about 1e-5 of the norm of H; smaller
    ones are off by less than their own size.

    Args:
      matrix: H, symmetric.

    References:
      Higham (2008), "Functions of Matrices", section 5.3; Kenney and Laub (1991).
    """
    size = jnp.sqrt(jnp.sum(jnp.square(matrix)))
    start = matrix / jnp.where(size > 0, size, 1.0)
    eye = jnp.eye(matrix.shape[0], dtype=matrix.dtype)

    def iterate(sign: Array, _: None) -> tuple[Array, None]:
        square = sign @ sign
        return sign @ (1.875 * eye + square @ (-1.25 * eye + 0.375 * square)), None

    sign, _ = jax.lax.scan(iterate, start, length=ITERATIONS)
    both = 0.5 * (matrix + matrix @ sign)
    return 0.5 * (both + both.T)
