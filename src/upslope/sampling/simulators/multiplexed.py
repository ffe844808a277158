"""More episodes than simulators: those that share a simulator take turns."""

from __future__ import annotations

import numpy as np

from upslope.sampling.simulators.simulator_backend import SimulatorBackend
from upslope.sampling.simulators.step_buffer import SKIP, SharedBuffer

# Simulators that whole episodes are worth at most. More of them gain nothing, since few cores step
# them one after the other, and cost memory: a physics engine takes megabytes.
MAX_SIMULATORS = 256


class MultiplexedSimulators:
    """M simulators behind a board of more rows, of which at most M move at a time.

    Row i uses simulator i mod M from its reset to the end of its episode. Seeds and actions belong
    to the rows, so how many simulators there are changes nothing but memory.

    Args:
      fleet: M simulators.
      count: how many rows.
    """

    def __init__(self, fleet: SimulatorBackend, count: int):
        self._fleet, self._size = fleet, len(fleet.board.todo)
        self.board = SharedBuffer(
            *(np.zeros((count, *column.shape[1:]), column.dtype) for column in fleet.board)
        )

    def reset_counters(self) -> None:
        """A new call of the sampler begins."""
        self._fleet.reset_counters()

    def advance(self) -> None:
        """Does what the board says, for rows that share no simulator."""
        outer, inner = self.board, self._fleet.board
        rows = np.flatnonzero(outer.todo != SKIP)
        seats = rows % self._size
        inner.todo[:] = SKIP
        for name in ("todo", "seed", "action"):
            getattr(inner, name)[seats] = getattr(outer, name)[rows]
        self._fleet.advance()
        for name in ("observation", "successor", "reward", "terminated", "truncated", "valid"):
            getattr(outer, name)[rows] = getattr(inner, name)[seats]

    def close(self) -> None:
        """Ends the simulators."""
        self._fleet.close()


def turns(count: int, simulators: int) -> np.ndarray:
    """Which rows move in each turn, booleans [turns, count]: each row in one of them."""
    turn = np.arange(count) // simulators
    return turn[None] == np.arange(-(-count // simulators))[:, None]
