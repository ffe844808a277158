"""The verdict on an estimator: is its mean the exact gradient?

|z| < 4.5 in every coordinate, which an unbiased estimator fails once in 150,000 coordinates, and a
standard error of at most 2 % of the gradient's length, so that a bias worth speaking of shows.
"""

from __future__ import annotations

import jax
import numpy as np


def matrix(rows):
    """Rows of a tree [N, ...] as a matrix [N, D]."""
    return np.concatenate(
        [np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in jax.tree.leaves(rows)],
        axis=1,
    )


def largest_z(rows, exact):
    """max |mean - exact| / SE over the coordinates; refuses samples too small to see a bias."""
    rows = matrix(rows)
    exact = np.concatenate([np.ravel(np.asarray(leaf)) for leaf in jax.tree.leaves(exact)])
    error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
    assert (error <= 0.02 * np.linalg.norm(exact)).all(), (error, exact)
    return float(np.max(np.abs(rows.mean(axis=0) - exact) / np.maximum(error, 1e-6)))


def unbiased(rows, exact):
    """The verdict."""
    return largest_z(rows, exact) < 4.5
