"""What brought every simulator to where it is: its episode's seed and the actions since."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from upslope.sampling.simulators.step_buffer import RESET, SKIP, STEP, BufferLayout

ENDED = -1


class ActionLog:
    """Seeds and actions of the episodes under way, forgotten when the episodes end.

    A simulator's state cannot be copied, but it is a function of these, if the simulator is
    reproducible from its seed.

    Args:
      layout: of the board whose commands are kept.
      autoreset: whether the end of an episode starts the next one in the same command.
    """

    def __init__(self, layout: BufferLayout, autoreset: bool):
        self._autoreset = autoreset
        self._moves: deque[tuple[np.ndarray, np.ndarray]] = deque()
        self._first = 0  # the number of the oldest move kept
        self._start = np.full(layout.count, ENDED)  # the number of each episode's first move
        self._seed = np.zeros(layout.count, np.int64)
        self._nothing = np.zeros((layout.count, layout.action_size), layout.action_dtype)

    def record(
        self, todo: np.ndarray, seed: np.ndarray, action: np.ndarray, ended: np.ndarray
    ) -> None:
        """Adds a command that has been carried out; `ended` tells which steps ended an episode."""
        self._moves.append((todo, action))
        following = self._first + len(self._moves)
        over = (todo == STEP) & ended
        fresh = (todo == RESET) | (over & self._autoreset)
        self._start[over] = ENDED
        self._start[fresh] = following
        self._seed[fresh] = seed[fresh]
        if (over | fresh).any():
            live = self._start[self._start != ENDED]
            oldest = int(live.min()) if live.size else following
            while self._first < oldest:
                self._moves.popleft()
                self._first += 1

    def running(self, rows: slice) -> np.ndarray:
        """Which of some simulators are in the middle of an episode."""
        return self._start[rows] != ENDED

    def replay(self, rows: slice) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Commands (todo, seed, action) that bring fresh simulators to where they were."""
        start, seed, running = self._start[rows], self._seed[rows], self.running(rows)
        if not running.any():
            return
        yield np.where(running, RESET, SKIP).astype(np.uint8), seed, self._nothing[rows]
        for number, (todo, action) in enumerate(self._moves, self._first):
            since = running & (start <= number) & (todo[rows] == STEP)
            if since.any():
                yield np.where(since, STEP, SKIP).astype(np.uint8), seed, action[rows]
