"""Statistics over seeds: never a bare mean of one run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def interquartile_mean(values: np.ndarray) -> float:
    r"""The mean of the middle half, with fractional weights at its borders.

    Robust to outlying seeds like the median, and as efficient as a mean needs.

    Args:
      values: any shape; all entries count alike.

    References:
      Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice".
    """
    ordered = np.sort(np.asarray(values, float).ravel())
    n = ordered.size
    if n == 0:
        return float("nan")
    # The i-th value covers [i, i+1] of [0, n]; what lies in [n/4, 3n/4] counts.
    low, high = n / 4, 3 * n / 4
    edges = np.arange(n)
    weight = np.clip(np.minimum(edges + 1, high) - np.maximum(edges, low), 0, 1)
    return float(np.sum(weight * ordered) / np.sum(weight))


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float] = interquartile_mean,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """A percentile bootstrap interval of a statistic of seeds.

    Seeds are resampled, not episodes: episodes of one policy say nothing about the next run. The
    resampling has a fixed seed, so the same data always give the same interval. With one seed
    there is no interval: (nan, nan).

    Args:
      values: [S], one number per seed (a mean over its evaluation episodes).
      statistic: of a resampled [S].
      confidence: of the interval.
      resamples: how many.
      seed: of the resampling.

    References:
      Efron and Tibshirani (1993), section 13.3.
    """
    values = np.asarray(values, float)
    if values.size < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(np.random.SeedSequence([seed, values.size]))
    draws = rng.integers(values.size, size=(resamples, values.size))
    results = np.array([statistic(values[row]) for row in draws])
    tail = (1 - confidence) / 2
    low, high = np.quantile(results, [tail, 1 - tail])
    return float(low), float(high)


def interval_curve(
    values: np.ndarray, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interquartile mean over seeds at each point of a curve [P], and the ends of its interval.

    At every point they are those of `interquartile_mean` and `bootstrap_interval`, to rounding.

    Args:
      values: [P, S], finite.
      confidence: of the intervals.
      resamples: how many.
      seed: of the resampling.
    """
    values = np.asarray(values, float)
    points, n = values.shape
    edges = np.arange(n)
    weight = np.clip(np.minimum(edges + 1, 3 * n / 4) - np.maximum(edges, n / 4), 0, 1)
    weight /= weight.sum()
    centre = np.sort(values, axis=1) @ weight
    if n < 2:
        return centre, np.full(points, np.nan), np.full(points, np.nan)
    rng = np.random.default_rng(np.random.SeedSequence([seed, n]))
    draws = rng.integers(n, size=(resamples, n))
    tail = (1 - confidence) / 2
    ends = [np.quantile(np.sort(row[draws], axis=1) @ weight, [tail, 1 - tail]) for row in values]
    low, high = np.array(ends).reshape(points, 2).T
    return centre, low, high
