"""What simulators told in the episodes of a row of the log: means by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

# Curves of a run: an environment that names numbers by what it meets could have any number.
MOST_CURVES = 256


class EpisodeInfos:
    """Sums over the episodes of the rows under way, of S seeds.

    Args:
      seeds: S.
    """

    def __init__(self, seeds: int):
        self._seeds = seeds
        self._sums: dict[str, np.ndarray] = {}  # name to [2, S]: of the numbers, and how many

    def add(self, infos: Iterable[tuple[int, Mapping[str, float]]], active: np.ndarray) -> None:
        """Adds what ended in an iteration.

        Args:
          infos: see `HostSampler.infos`.
          active: [S], whether a seed's iteration counts.
        """
        for seed, means in infos:
            if not active[seed]:
                continue
            for name, value in means.items():
                sums = self._sums.get(name)
                if sums is None:
                    if len(self._sums) >= MOST_CURVES:
                        continue
                    sums = self._sums[name] = np.zeros((2, self._seeds))
                sums[:, seed] += value, 1

    def close(self, ends: np.ndarray) -> dict[str, np.ndarray]:
        """Means [S] of the seeds whose rows end, NaN where there is nothing to average.

        Args:
          ends: [S], whose do; the others' go on.
        """
        means = {}
        for name, sums in self._sums.items():
            told = ends & (sums[1] > 0)
            means[name] = np.where(told, sums[0] / np.maximum(sums[1], 1), np.nan)
            sums[:, ends] = 0
        return means

    def state(self) -> dict[str, np.ndarray]:
        """All that the rows under way depend on, by name."""
        return {name: sums.copy() for name, sums in self._sums.items()}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from where `state` was asked."""
        self._sums = {name: np.array(sums, float) for name, sums in state.items()}


def side_by_side(rows: Sequence[Mapping[str, np.ndarray]], seeds: int) -> dict[str, np.ndarray]:
    """Rows of means [S] as arrays [K, S], in the order of their names; NaN where a row has none."""
    names = sorted({name for row in rows for name in row})
    blank = np.full(seeds, np.nan)
    return {name: np.stack([row.get(name, blank) for row in rows]) for name in names}
