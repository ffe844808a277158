r"""One number for a matrix of scores [N, M]: N runs (seeds) on each of M tasks.

All take leading axes, [..., N, M], so that thousands of resamples are one call. They are the
definitions of rliable, to rounding.

References:
  Agarwal, Schwarzer, Castro, Courville and Bellemare (2021), "Deep Reinforcement Learning at the
  Edge of the Statistical Precipice", section 4.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike


def interquartile_mean(scores: Float[np.ndarray, "*batch N M"]) -> np.ndarray:
    """The mean of all N M scores without the lowest and the highest quarter.

    floor(N M / 4) scores are cut at each end: SciPy's `trim_mean(scores, 0.25)`. The mean over
    seeds that a run prints weighs the borders of the middle half by fractions instead; both are
    equal where 4 divides N M.
    """
    flat = np.sort(_flat(scores), axis=-1)
    cut = flat.shape[-1] // 4
    return flat[..., cut : flat.shape[-1] - cut].mean(axis=-1)


def mean(scores: Float[np.ndarray, "*batch N M"]) -> np.ndarray:
    """The mean over tasks of the mean over runs."""
    return np.asarray(scores, float).mean(axis=-2).mean(axis=-1)


def median(scores: Float[np.ndarray, "*batch N M"]) -> np.ndarray:
    """The median over tasks of the mean over runs; on one task it is the mean."""
    return np.median(np.asarray(scores, float).mean(axis=-2), axis=-1)


def median_of_runs(scores: Float[np.ndarray, "*batch N M"]) -> np.ndarray:
    """The median of all N M scores: what says more than `median` where there is one task."""
    return np.median(_flat(scores), axis=-1)


def optimality_gap(scores: Float[np.ndarray, "*batch N M"], target: float = 1.0) -> np.ndarray:
    """How far scores fall short of a target, those above it counting as the target itself."""
    return target - np.minimum(_flat(scores), target).mean(axis=-1)


def performance_profile(
    scores: Float[np.ndarray, "*batch N M"], thresholds: ArrayLike
) -> Float[np.ndarray, "*batch T"]:
    """The share of runs and tasks with a score above each threshold tau [T], strictly."""
    return (_flat(scores)[..., None] > np.asarray(thresholds, float)).mean(axis=-2)


def probability_of_improvement(
    scores: Float[np.ndarray, "*batch N M"], others: Float[np.ndarray, "*batch L M"]
) -> np.ndarray:
    """P(X > Y) of a run of one method against a run of the other, averaged over tasks.

    The share of pairs that X wins, a tie counting one half: the Mann-Whitney statistic U / (N L).
    """
    x = np.asarray(scores, float)[..., :, None, :]
    y = np.asarray(others, float)[..., None, :, :]
    return ((x > y) + 0.5 * (x == y)).mean(axis=(-3, -2)).mean(axis=-1)


def _flat(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, float)
    return scores.reshape(*scores.shape[:-2], -1)
