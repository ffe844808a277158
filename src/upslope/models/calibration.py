"""Whether the intervals of a model hold what they promise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LEVELS = 20


@dataclass(frozen=True)
class Calibration:
    r"""How often the truth fell inside the central intervals of predictive distributions.

    With u = F(y) the probability that a prediction gave to values up to the true one, a calibrated
    model has u uniform: the central interval of probability p holds the truth with frequency p.

    .. math:: \text{ECE} = \frac{1}{K} \sum_k
              \Big| \frac{1}{N} \sum_i 1[u_i \le p_k] - p_k \Big|

    Attributes:
      coverage_50: share inside the 50 % intervals.
      coverage_90: share inside the 90 % intervals.
      expected_calibration_error: the mean gap between the frequency of u below p and p, over
        levels p; 0 is calibrated, 0.25 to 0.5 is useless.

    References:
      Kuleshov, Fenner and Ermon (2018), "Accurate Uncertainties for Deep Learning Using Calibrated
      Regression", section 3.5, with absolute gaps.
    """

    coverage_50: float
    coverage_90: float
    expected_calibration_error: float

    @classmethod
    def of(cls, probabilities: np.ndarray) -> Calibration:
        """From u [N, ...], the value of each predictive distribution function at the truth."""
        u = np.asarray(probabilities, np.float64).reshape(-1)
        if not u.size:
            return cls(math.nan, math.nan, math.nan)
        off_centre = np.abs(u - 0.5)
        levels = (np.arange(LEVELS) + 0.5) / LEVELS
        below = np.searchsorted(np.sort(u), levels, side="right") / u.size
        return cls(
            coverage_50=float(np.mean(off_centre <= 0.25)),
            coverage_90=float(np.mean(off_centre <= 0.45)),
            expected_calibration_error=float(np.mean(np.abs(below - levels))),
        )

    def __str__(self) -> str:
        return (
            f"intervals: 50 % ones hold {self.coverage_50:.0%}, 90 % ones {self.coverage_90:.0%}; "
            f"expected calibration error {self.expected_calibration_error:.3f}"
        )
