"""Episodes of different lengths in arrays of one length."""

from __future__ import annotations

import numpy as np


def masked(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values [M, ...] with zeros outside some rows."""
    return np.where(rows.reshape(-1, *[1] * (values.ndim - 1)), values, values.dtype.type(0))


def padded_length(longest: int, limit: int | None) -> int:
    """How long a batch of episodes is made: few different lengths, so few programs are compiled.

    The time limit where there is one, as in a JAX environment; else the next power of two.
    """
    return max(longest, limit) if limit is not None else 1 << (longest - 1).bit_length()


def by_seed(column: np.ndarray, n_seeds: int) -> np.ndarray:
    """[T, S N, ...] as [S, T, N, ...]."""
    split = column.reshape(len(column), n_seeds, -1, *column.shape[2:])
    return np.ascontiguousarray(np.moveaxis(split, 1, 0))


def padded(column: np.ndarray, length: int) -> np.ndarray:
    """A column [T, ...] with zeros up to `length` rows."""
    if len(column) == length:
        return column
    return np.pad(column, [(0, length - len(column))] + [(0, 0)] * (column.ndim - 1))
