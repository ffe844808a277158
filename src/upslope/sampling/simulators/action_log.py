"""What brought every simulator to where it is: its episode's seed and the actions since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from upslope.sampling.simulators.step_buffer import RESET, SKIP, STEP, BufferLayout

ENDED = -1
FIRST_CAPACITY = 64  # steps


class ActionLog:
    """Seeds and actions of the episodes under way, forgotten when the episodes end.

    A simulator's state cannot be copied, but it is a function of these, if the simulator is
    reproducible from its seed. Memory grows with the longest episode under way alone.

    Args:
      layout: of the buffer whose commands are kept.
      autoreset: whether the end of an episode starts the next one in the same command.
    """

    def __init__(self, layout: BufferLayout, autoreset: bool):
        self._autoreset = autoreset
        m = layout.count
        self._stepped = np.zeros((FIRST_CAPACITY, m), bool)
        self._action = np.zeros((FIRST_CAPACITY, m, layout.action_size), layout.action_dtype)
        self._used = 0  # commands kept
        self._start = np.full(m, ENDED)  # the place of each episode's first command
        self._seed = np.zeros(m, np.int64)

    def record(
        self, command: np.ndarray, seed: np.ndarray, action: np.ndarray, ended: np.ndarray
    ) -> None:
        """Adds a command that has been carried out; `ended` tells which steps ended an episode."""
        if self._used == len(self._stepped):
            self._make_room()
        stepped = command == STEP
        self._stepped[self._used] = stepped
        self._action[self._used] = action
        self._used += 1
        over = stepped & ended
        fresh = (command == RESET) | (over & self._autoreset)
        if over.any() or fresh.any():
            self._start[over] = ENDED
            self._start[fresh] = self._used
            self._seed[fresh] = seed[fresh]

    def running(self, rows: slice = slice(None)) -> np.ndarray:
        """Which of some simulators are in the middle of an episode."""
        return self._start[rows] != ENDED

    def replay(self, rows: slice = slice(None)) -> Iterator[tuple[np.ndarray, ...]]:
        """Commands (command, seed, action) that bring fresh simulators to where they were."""
        start, seed, running = self._start[rows], self._seed[rows], self.running(rows)
        if not running.any():
            return
        nothing = np.zeros_like(self._action[0, rows])
        yield np.where(running, RESET, SKIP).astype(np.uint8), seed, nothing
        for place in range(int(start[running].min()), self._used):
            since = running & (start <= place) & self._stepped[place, rows]
            if since.any():
                command = np.where(since, STEP, SKIP).astype(np.uint8)
                yield command, seed, self._action[place, rows]

    def state(self) -> dict[str, np.ndarray]:
        """The episodes under way, as arrays: copies, L commands long."""
        self._forget()
        used = slice(0, self._used)
        return {
            "seed": self._seed.copy(),
            "start": self._start.copy(),
            "stepped": self._stepped[used].copy(),
            "action": self._action[used].copy(),
        }

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Becomes the log whose `state` this was."""
        self._seed = np.array(state["seed"], np.int64)
        self._start = np.array(state["start"], int)
        self._used = len(state["stepped"])
        spare = max(FIRST_CAPACITY, self._used) - self._used
        self._stepped = np.pad(np.asarray(state["stepped"], bool), [(0, spare), (0, 0)])
        action = np.asarray(state["action"], self._action.dtype)
        self._action = np.pad(action, [(0, spare), (0, 0), (0, 0)])

    def _forget(self) -> None:
        """Drops the commands that no episode under way needs."""
        running = self.running()
        oldest = int(self._start[running].min()) if running.any() else self._used
        if oldest:
            left = self._used - oldest
            for array in (self._stepped, self._action):
                array[:left] = array[oldest : self._used].copy()
            self._used = left
            self._start[running] -= oldest

    def _make_room(self) -> None:
        self._forget()
        if 2 * self._used > len(self._stepped):  # so that room is seldom made
            self._stepped = np.concatenate([self._stepped, np.zeros_like(self._stepped)])
            self._action = np.concatenate([self._action, np.zeros_like(self._action)])
