"""Statistics of a call on simulators, counted in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from upslope.core.records import EpisodeStatistics


def host_statistics(
    returns: np.ndarray,
    lengths: np.ndarray,
    episodes: np.ndarray,
    steps: np.ndarray,
    nonfinite: np.ndarray,
) -> EpisodeStatistics:
    """What training curves show, leaves [S].

    Args:
      returns: [S, N], sums over the episodes that ended in each slot.
      lengths: [S, N], likewise.
      episodes: [S], how many ended.
      steps: [S], environment steps taken.
      nonfinite: [S, N], the step at which a NaN or an infinity appeared; -1 for none.
    """
    count = np.where(episodes > 0, episodes, np.nan)
    means = [(np.sum(sums, axis=1) / count).astype(np.float32) for sums in (returns, lengths)]
    at = np.where(nonfinite >= 0, nonfinite, np.iinfo(nonfinite.dtype).max)
    first = np.argmin(at, axis=1)
    found = (nonfinite >= 0).any(axis=1)
    step = at[np.arange(len(at)), first]
    nonfinite_env, nonfinite_step = np.where(found, first + 1, 0), np.where(found, step, 0)
    leaves: list[Any] = [*means, episodes, steps, nonfinite_env, nonfinite_step]
    return EpisodeStatistics(*leaves)


def nothing_sampled(n_seeds: int) -> EpisodeStatistics:
    """Before anything has been sampled."""
    nothing = np.zeros((n_seeds, 1))
    none = np.zeros(n_seeds, int)
    return host_statistics(nothing, nothing, none, none, nothing.astype(int) - 1)
