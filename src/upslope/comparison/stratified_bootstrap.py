"""Percentile intervals by resampling the runs of each task."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError, check_number

# Scores that are looked at together: bounds the memory.
MOST_AT_ONCE = 1 << 22


class Interval(NamedTuple):
    """A value with its interval; both ends are NaN where nothing can be resampled."""

    value: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float


def interval(
    statistic: Callable[..., np.ndarray],
    *samples: ArrayLike,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """A statistic of matrices of scores, and its stratified bootstrap interval.

    Each resample draws, for every task by itself, as many of its runs as there are, with
    replacement; several matrices are resampled independently. The draws are those of rliable from
    the same seed of NumPy's legacy generator, whose stream never changes.

    Args:
      statistic: of matrices [..., N, M], over their last two axes.
      *samples: matrices [N, M], with at least one entry each.
      confidence: of the interval.
      resamples: how many.
      seed: of the resampling; the same scores always give the same interval.

    Returns:
      Value and ends; the ends are NaN where each matrix has one run.

    Raises:
      UpslopeError: a matrix is none or has no entries, or a number is out of range.

    References:
      Agarwal et al. (2021), section 4.1; Efron and Tibshirani (1993), section 13.3.
    """
    check_number("interval", "confidence", confidence, above=0, below=1)
    check_number("interval", "resamples", resamples, at_least=1, integer=True)
    matrices = [matrix(sample) for sample in samples]
    value = statistic(*matrices)
    if all(scores.shape[0] == 1 for scores in matrices):
        nothing = np.full(np.shape(value), np.nan)
        return Interval(value, nothing, nothing.copy())
    random = np.random.RandomState(seed)
    largest = max(scores.size for scores in matrices) * max(1, np.size(value))
    block = max(1, MOST_AT_ONCE // largest)
    found: list[np.ndarray] = []
    for begin in range(0, resamples, block):
        draws: list[list[np.ndarray]] = [[] for _ in matrices]
        for _ in range(min(block, resamples - begin)):
            for drawn, scores in zip(draws, matrices, strict=True):
                drawn.append(random.randint(scores.shape[0], size=scores.shape))
        drawn = [
            scores[np.stack(rows), np.arange(scores.shape[1])]
            for scores, rows in zip(matrices, draws, strict=True)
        ]
        found.append(statistic(*drawn))
    tail = (1 - confidence) / 2
    low, high = np.percentile(np.concatenate(found), [100 * tail, 100 * (1 - tail)], axis=0)
    return Interval(value, low, high)


def matrix(scores: ArrayLike) -> np.ndarray:
    """Scores as a matrix [runs, tasks] of finite numbers."""
    found = np.asarray(scores, float)
    if found.ndim != 2 or found.size == 0 or not np.isfinite(found).all():
        raise UpslopeError(
            f"Scores have shape {found.shape}: they must be a matrix [runs, tasks] of finite "
            "numbers. One task is scores[:, None]."
        )
    return found
