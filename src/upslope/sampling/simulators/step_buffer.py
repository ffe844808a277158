"""The board on which simulators are told what to do and write what came of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

SKIP, STEP, RESET = 0, 1, 2


class SharedBuffer(NamedTuple):
    """Where commands and what came of them are written, one row for each of M simulators."""

    todo: np.ndarray  # [M] uint8: SKIP, STEP or RESET
    seed: np.ndarray  # [M] int64: of the episode that the next reset starts
    action: np.ndarray  # [M, size] as the policy drew it
    observation: np.ndarray  # [M, ...] what the policy sees next: after a reset, if there was one
    successor: np.ndarray  # [M, ...] the true successor, before any reset
    reward: np.ndarray  # [M] float32
    terminated: np.ndarray  # [M] bool
    truncated: np.ndarray  # [M] bool, never true where terminated is
    valid: np.ndarray  # [M] bool: False where the command moved no process (a late reset)

    def rows(self, start: int, stop: int) -> SharedBuffer:
        """The rows of some simulators, as views."""
        return SharedBuffer(*(column[start:stop] for column in self))


class BufferLayout(NamedTuple):
    """The sizes of a board."""

    count: int  # M
    observation_shape: tuple[int, ...]
    observation_dtype: str
    action_size: int
    action_dtype: str

    def columns(self) -> list[tuple[tuple[int, ...], np.dtype]]:
        """Shape and dtype of every column of a `SharedBuffer`."""
        m = self.count
        observation = ((m, *self.observation_shape), np.dtype(self.observation_dtype))
        flags = ((m,), np.dtype(bool))
        return [
            ((m,), np.dtype(np.uint8)),
            ((m,), np.dtype(np.int64)),
            ((m, self.action_size), np.dtype(self.action_dtype)),
            observation,
            observation,
            ((m,), np.dtype(np.float32)),
            flags,
            flags,
            flags,
        ]

    def size(self) -> int:
        """Bytes of a board; every column starts on a cache line."""
        return sum(aligned(int(np.prod(s, dtype=int)) * d.itemsize) for s, d in self.columns())

    def board(self, buffer: Any = None) -> SharedBuffer:
        """A board in `buffer` (shared memory), or in memory of its own."""
        if buffer is None:
            buffer = bytearray(max(self.size(), 1))
        columns, offset = [], 0
        for shape, dtype in self.columns():
            columns.append(np.ndarray(shape, dtype, buffer, offset))
            offset += aligned(int(np.prod(shape, dtype=int)) * dtype.itemsize)
        return SharedBuffer(*columns)


def aligned(size: int) -> int:
    """The size rounded up to whole cache lines."""
    return -(-size // 64) * 64
