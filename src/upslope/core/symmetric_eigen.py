"""Eigenvalues of small symmetric matrices without LAPACK, for programs that users vmap."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

SWEEPS = 10


def symmetric_eigen(matrix: Float[Array, "n n"]) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """Eigenvalues, in no order, and the eigenvectors as columns, by parallel Jacobi rotations.

    In every round n / 2 disjoint pairs of rows are rotated at once, and n - 1 rounds meet all
    pairs. It converges quadratically; ten sweeps reach rounding for n up to some hundreds.

    References:
      Golub and Van Loan (2013), section 8.5.
    """
    size = matrix.shape[0]
    even = size + size % 2
    padded = jnp.zeros((even, even), matrix.dtype).at[:size, :size].set(matrix)
    rounds = jnp.asarray(np.tile(_tournament(even), (SWEEPS, 1, 1)))

    def rotate(carry: tuple[Array, Array], pairs: Array) -> tuple[tuple[Array, Array], None]:
        current, vectors = carry
        p, q = pairs[:, 0], pairs[:, 1]
        off = current[p, q]
        there = off != 0
        ratio = (current[q, q] - current[p, p]) / (2.0 * jnp.where(there, off, 1.0))
        sign = jnp.where(ratio >= 0, 1.0, -1.0)
        tangent = jnp.where(there, sign / (jnp.abs(ratio) + jnp.hypot(1.0, ratio)), 0.0)
        cosine = 1.0 / jnp.hypot(1.0, tangent)
        sine = tangent * cosine
        turn = jnp.zeros_like(current)
        turn = turn.at[p, p].set(cosine).at[q, q].set(cosine)
        turn = turn.at[p, q].set(sine).at[q, p].set(-sine)
        return (turn.T @ current @ turn, vectors @ turn), None

    start = (0.5 * (padded + padded.T), jnp.eye(even, dtype=matrix.dtype))
    (turned, vectors), _ = jax.lax.scan(rotate, start, rounds)
    own = jnp.arange(size)
    return turned[own, own], vectors[:size, :size]


def _tournament(size: int) -> np.ndarray:
    """Rounds [n - 1, n / 2, 2] in which every two of n meet once."""
    others = np.arange(1, size)
    rounds: list[np.ndarray] = []
    for turn in range(size - 1):
        seats = np.concatenate([[0], np.roll(others, turn)])
        pairs = np.stack([seats[: size // 2], seats[size // 2 :][::-1]], axis=1)
        rounds.append(np.sort(pairs, axis=1))
    return np.stack(rounds)
