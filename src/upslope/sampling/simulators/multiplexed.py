"""More episodes than simulators: those that share a simulator run in rounds."""

from __future__ import annotations

import numpy as np

from upslope.sampling.simulators.info_means import EpisodeMeans
from upslope.sampling.simulators.simulator_backend import SimulatorBackend
from upslope.sampling.simulators.step_buffer import SKIP, BufferLayout
from upslope.sampling.simulators.watch import Remark

# Simulators that whole episodes are worth at most. More of them gain nothing, since few cores step
# them one after the other, and cost memory: a physics engine takes megabytes.
MAX_SIMULATORS = 256


class MultiplexedSimulators:
    """M simulators behind a buffer of more rows, of which at most M move at a time.

    Row i uses simulator i mod M from its reset to the end of its episode. Seeds and actions belong
    to the rows, so how many simulators there are changes nothing but memory.

    Args:
      backend: M simulators.
      layout: of the buffer of all rows.
    """

    log = None  # episodes that share simulators are whole: nothing goes on after a call

    def __init__(self, backend: SimulatorBackend, layout: BufferLayout):
        self._backend, self._size = backend, len(backend.buffer.command)
        self.name = backend.name
        self.buffer = layout.buffer()
        self._infos: list[EpisodeMeans] = []

    @property
    def remarks(self) -> list[Remark]:
        """What was seen of the simulators so far."""
        return self._backend.remarks

    def reset_counters(self) -> None:
        """A new call of the sampler begins."""
        self._backend.reset_counters()

    def step_all(self) -> None:
        """Does what the buffer says, for rows that share no simulator."""
        outer, inner = self.buffer, self._backend.buffer
        rows = np.flatnonzero(outer.command != SKIP)
        seats = rows % self._size
        inner.command[:] = SKIP
        for name in ("command", "seed", "action"):
            getattr(inner, name)[seats] = getattr(outer, name)[rows]
        self._backend.step_all()
        first = 3  # what is written comes after the three columns of commands
        for theirs, ours in zip(outer.arrays()[first:], inner.arrays()[first:], strict=True):
            theirs[rows] = ours[seats]
        row_of = dict(zip(seats.tolist(), rows.tolist(), strict=True))
        self._infos += [
            ended._replace(row=row_of[ended.row])
            for ended in self._backend.take_infos()
            if ended.row in row_of
        ]

    def take_infos(self) -> list[EpisodeMeans]:
        """What `info` held in the episodes that have ended since the last call."""
        infos, self._infos = self._infos, []
        return infos

    def close(self) -> None:
        """Ends the simulators."""
        self._backend.close()


def rounds(count: int, simulators: int) -> np.ndarray:
    """Which rows move in each round, booleans [rounds, count]: each row in one of them."""
    number = np.arange(count) // simulators
    return number[None] == np.arange(-(-count // simulators))[:, None]
