"""Observations drawn from a space, on which exported policies are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from upslope.core.annotations import Observation, PyTree
from upslope.core.moments import Moments
from upslope.exporting.exportable import parts_of

if TYPE_CHECKING:
    from gymnasium import spaces

WIDE = 1e4  # bounds beyond it say nothing of what is observed, such as CartPole's 3.4e38


def draw_observations(
    space: spaces.Space, n: int, generator: np.random.Generator, moments: Moments | None = None
) -> Observation:
    """A batch [n, ...] of observations as the environment shows them.

    Floats are normal with the mean and variance that the policy has observed, where it keeps
    them; else uniform between the bounds, or standard normal where there are none. Ints and bits
    are uniform.

    Args:
      space: a Gymnasium space.
      n: how many.
      generator: the source of the draws.
      moments: of the observations that the policy was trained on, as it reads them.
    """
    mean = None if moments is None else moments.mean
    variance = None if moments is None else moments.variance
    return draws(space, n, generator, mean, variance)


def draws(
    space: spaces.Space, n: int, generator: np.random.Generator, mean: PyTree, variance: PyTree
) -> Observation:
    """`draw_observations` of one part of a space."""
    parts = parts_of(space)
    if parts is not None:
        named = list(enumerate(parts)) if isinstance(parts, list) else list(parts.items())
        drawn = {
            name: draws(
                part,
                n,
                generator,
                None if mean is None else mean[name],
                None if variance is None else variance[name],
            )
            for name, part in named
        }
        return tuple(drawn.values()) if isinstance(parts, list) else drawn
    shape, dtype = (n, *(space.shape or ())), np.dtype(space.dtype)
    low, high = bounds_of(space)
    if not np.issubdtype(dtype, np.floating):
        low = np.maximum(low, np.minimum(high, 0) - 1000)
        high = np.minimum(high, low + 2000)
        return np.asarray(generator.integers(low, high, shape, endpoint=True), dtype)
    if mean is not None:
        spread = np.sqrt(np.asarray(variance, float))
        x = np.asarray(mean, float) + spread * generator.standard_normal(shape)
    else:
        bounded = (np.abs(low) <= WIDE) & (np.abs(high) <= WIDE)
        near, far = np.where(bounded, low, 0.0), np.where(bounded, high, 1.0)
        uniform = near + (far - near) * generator.random(shape)
        x = np.where(bounded, uniform, generator.standard_normal(shape))
    return np.clip(x, low, high).astype(dtype)


def bounds_of(space: spaces.Space) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest values of a space of arrays, floats or ints of its shape."""
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    if low is not None and high is not None:
        kind = float if np.issubdtype(np.dtype(space.dtype), np.floating) else np.int64
        return np.asarray(low, kind), np.asarray(high, kind)
    start = np.asarray(getattr(space, "start", 0), np.int64)
    sizes = getattr(space, "nvec", None)
    sizes = getattr(space, "n", 2) if sizes is None else sizes
    if type(space).__name__ == "MultiBinary":
        sizes = 2
    return start, start + np.asarray(sizes, np.int64) - 1
