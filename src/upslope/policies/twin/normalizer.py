"""Standardised observations in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .encoding import Nest, Observation, map_arrays


@dataclass(frozen=True, eq=False)
class TwinNormalizer:
    """(observation - mean) * scale, clipped to [-10, 10]; what has no mean stays as it is."""

    mean: Nest  # [...], or a tree of these with None where nothing is standardised
    scale: Nest  # likewise, 1 / standard deviation

    @classmethod
    def of(cls, mean: Nest, variance: Nest) -> TwinNormalizer:
        """From the moments of the observations."""

        def scale(variance: np.ndarray) -> np.ndarray:
            variance = np.asarray(variance)
            return 1 / np.sqrt(variance + variance.dtype.type(1e-8))

        return cls(map_arrays(np.asarray, mean), map_arrays(scale, variance))

    def __call__(self, observation: Observation) -> Observation:
        """A batch [N, ...] as the body reads it."""
        if isinstance(self.mean, np.ndarray):
            return standardized(self.mean, observation, self.scale)
        return map_arrays(standardized, self.mean, observation, self.scale)


def standardized(mean: np.ndarray, sample: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """One array of a batch, [N, ...]."""
    scaled = (sample - mean) * scale
    return np.minimum(np.maximum(scaled, -10), 10).astype(mean.dtype, copy=False)
