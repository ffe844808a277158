"""Is an estimator's mean the reference? The verdict, and how often it is wrong by chance."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

# The chance that any of the verdicts of one check calls an unbiased estimator biased.
FALSE_ALARMS = 1e-3
# The probability with which the direction is asked to be right.
RIGHT = 0.95


class Measured(NamedTuple):
    """Sums over B independent estimates of D coordinates, in double precision."""

    count: int  # B
    mean: np.ndarray  # [D]
    variance: np.ndarray  # [D] of one estimate
    along_mean: float  # of the estimates' inner product with the reference
    along_variance: float


class Verdict(NamedTuple):
    """What the estimates say about the estimator; all of one estimate unless said otherwise."""

    consistent: bool  # with unbiased
    largest_z: float  # max |mean - reference| / SE over the coordinates
    threshold: float  # beyond which it is called biased
    bias: float  # (mean - reference) along the reference, over its length: -1 is no signal at all
    bias_error: float  # half the width of its 95 % interval
    distance: float  # |mean - reference| over the reference's length, sampling error taken out
    variance: float  # total
    snr: float  # |E g|^2 over the total variance: of the estimator's own mean
    cosine: float  # between the mean estimate and the reference
    estimates_for_direction: float  # see `estimates_for_direction`


def threshold(
    coordinates: int, estimators: int, false_alarms: float = FALSE_ALARMS, count: float = math.inf
) -> float:
    """The |z| that the coordinates of all unbiased estimators stay below together.

    With probability at least 1 - `false_alarms` (Bonferroni, Student's t), as far as the mean of
    `count` estimates is normal.

    Args:
      coordinates: D.
      estimators: how many verdicts are given.
      false_alarms: alpha, for all of them together.
      count: B, the estimates of this one.
    """
    return quantile(false_alarms / (2 * max(coordinates * estimators, 1)), count)


def quantile(tail: float, count: float) -> float:
    """What Student's t of a mean of `count` numbers exceeds with probability `tail`."""
    if count > 1e6:
        return -NormalDist().inv_cdf(tail)
    from scipy.special import stdtrit  # loaded where used; JAX brings it

    return -float(stdtrit(max(count - 1, 1), tail))


def estimates_for_direction(mean: float, variance: float) -> float:
    r"""How many estimates must be averaged until the direction is uphill with probability 0.95.

    .. math:: n = \Big( 1.645 \frac{\operatorname{sd}(\hat g \cdot \nabla J)}
                                    {E[\hat g \cdot \nabla J]} \Big)^2

    the smallest n with :math:`P(\bar g_n \cdot \nabla J > 0) \ge 0.95` in the normal approximation;
    infinite when the mean does not point uphill.
    """
    if not mean > 0:
        return float("inf")
    return float(max(NormalDist().inv_cdf(RIGHT) ** 2 * variance / mean**2, 0.0))


def judge(
    measured: Measured,
    reference: np.ndarray,
    reference_error: np.ndarray,
    bound: float,
) -> Verdict:
    """The verdict on one estimator.

    Args:
      measured: its estimates.
      reference: the gradient it is held to, [D].
      reference_error: its own standard error [D]; zero where it is exact.
      bound: `threshold` for all coordinates and estimators of the check, and this many estimates.
    """
    length = float(np.linalg.norm(reference))
    difference = measured.mean - reference
    error = np.sqrt(measured.variance / measured.count + reference_error**2)
    # Coordinates that no estimate ever moved are judged by rounding alone.
    rounding = 1e-5 * max(length, float(np.abs(measured.mean).max(initial=0.0)), 1e-30)
    z = np.abs(difference) / np.maximum(error, rounding)
    largest = float(z.max(initial=0.0))
    scale = max(length, 1e-30)
    unit = reference / scale
    along_error = float(np.sqrt(np.sum((unit * error) ** 2)))
    if length > 0:  # the estimates' own spread along the reference, correlations included
        own = measured.along_variance / measured.count / length**2
        along_error = float(np.sqrt(own + np.sum((unit * reference_error) ** 2)))
    variance = float(measured.variance.sum())
    mean_length = float(np.linalg.norm(measured.mean))
    cosine = float(measured.mean @ reference) / max(mean_length * length, 1e-30)
    squared = float(difference @ difference - np.sum(error**2))
    own_squared = max(mean_length**2 - variance / measured.count, 0.0)  # sampling error taken out
    return Verdict(
        largest <= bound,
        largest,
        bound,
        float(unit @ difference) / scale,
        quantile(0.025, measured.count) * along_error / scale,
        max(squared, 0.0) ** 0.5 / scale,
        variance,
        own_squared / variance if variance > 0 else float("inf"),
        cosine,
        estimates_for_direction(measured.along_mean, measured.along_variance),
    )


class RunningMoments:
    """Means and variances of rows that come in blocks, without keeping them.

    Args:
      reference: [D], along which the rows are projected as well.
    """

    def __init__(self, reference: np.ndarray):
        self.reference = np.asarray(reference, np.float64)
        self.count = 0
        self.mean = np.zeros(self.reference.size)
        self.squares = np.zeros(self.reference.size)
        self.along_mean = self.along_squares = 0.0

    def add(self, rows: np.ndarray) -> None:
        """Takes up rows [B, D] (Chan's parallel update)."""
        rows = np.asarray(rows, np.float64)
        count, total = len(rows), self.count + len(rows)
        mean = rows.mean(axis=0)
        gap = mean - self.mean
        share = self.count * count / total
        self.squares += np.sum((rows - mean) ** 2, axis=0) + gap**2 * share
        self.mean += gap * count / total
        along = rows @ self.reference
        gap_along = along.mean() - self.along_mean
        self.along_squares += float(np.sum((along - along.mean()) ** 2) + gap_along**2 * share)
        self.along_mean += float(gap_along * count / total)
        self.count = total

    def measured(self) -> Measured:
        """What they add up to; variances with B - 1."""
        left = max(self.count - 1, 1)
        return Measured(
            self.count, self.mean, self.squares / left, self.along_mean, self.along_squares / left
        )
