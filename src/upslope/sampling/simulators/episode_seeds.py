"""Seeds of simulators' episodes: a function of the run, the slot and the episode alone."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np


class EpisodeSeeds:
    """Distinct seeds for every episode of every slot of every seed of a run.

    They do not depend on which process steps a slot, nor on when the other slots' episodes end.

    Args:
      seed: the run's seed.
      stream: what the episodes are for ("training", "evaluation-3"); streams are distinct.
      slots: S x N, how many slots each seed of the run has.
    """

    def __init__(self, seed: int, stream: str, slots: tuple[int, int]):
        self._words = (int(seed), zlib.crc32(stream.encode()))
        self._slots = slots
        self.restart(0)

    def restart(self, iteration: int) -> None:
        """Counts episodes from zero again, in a stream that belongs to an iteration."""
        self._iteration = int(iteration)
        self._episode = np.zeros(self._slots, np.int64)

    def next(self, rows: Any, shared: np.ndarray | None = None) -> np.ndarray:
        """Seeds for the next episodes of some flat slots.

        Args:
          rows: indices of slots in seed-major order.
          shared: for each slot within a seed, the slot whose seeds it uses (common random
            numbers); None for its own.
        """
        seeds = np.empty(len(rows), np.int64)
        for position, row in enumerate(rows):
            index, slot = divmod(int(row), self._slots[1])
            words = (
                index,
                slot if shared is None else int(shared[slot]),
                self._episode[index, slot],
            )
            entropy = [*self._words, self._iteration, *(int(word) for word in words)]
            # 31 bits: what every simulator understands, those written in C among them.
            seeds[position] = np.random.SeedSequence(entropy).generate_state(1)[0] >> 1
            self._episode[index, slot] += 1
        return seeds

    def rewind(self, seeds: np.ndarray, episode: np.ndarray) -> None:
        """Counts the episodes of some seeds [S] of the run as they were counted before."""
        self._episode[seeds] = episode[seeds]

    def state(self) -> dict[str, np.ndarray]:
        """How many episodes of which iteration have begun, as arrays."""
        return {"iteration": np.asarray(self._iteration), "episode": self._episode.copy()}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from the place whose `state` this was."""
        self._iteration = int(state["iteration"])
        self._episode = np.array(state["episode"], np.int64).reshape(self._slots)
