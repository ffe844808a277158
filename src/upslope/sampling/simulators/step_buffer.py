"""The buffer in which simulators are told what to do and write what came of it.

Relative imports: this module also runs in simulator processes, which never import JAX.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

SKIP, STEP, RESET = 0, 1, 2

Leaves = tuple[np.ndarray, ...]  # an observation tree's arrays, in the order of its space


class SharedBuffer(NamedTuple):
    """Where commands and what came of them are written, one row for each of M simulators.

    An observation has one column per leaf of its tree, each in the leaf's own dtype.
    """

    command: np.ndarray  # [M] uint8: SKIP, STEP or RESET
    seed: np.ndarray  # [M] int64: of the episode that the next reset starts
    action: np.ndarray  # [M, size] as the policy drew it
    observation: Leaves  # [M, ...] what the policy sees next: after a reset, if there was one
    successor: Leaves  # [M, ...] the true successor, before any reset
    reward: np.ndarray  # [M] float32
    terminated: np.ndarray  # [M] bool
    truncated: np.ndarray  # [M] bool, never true where terminated is
    valid: np.ndarray  # [M] bool: False where the command moved no process (a late reset)

    def rows(self, start: int, stop: int) -> SharedBuffer:
        """The rows of some simulators, as views."""
        part = slice(start, stop)
        columns: list[Any] = [
            tuple(leaf[part] for leaf in column) if isinstance(column, tuple) else column[part]
            for column in self
        ]
        return SharedBuffer(*columns)

    def arrays(self) -> list[np.ndarray]:
        """All columns, an observation's leaves among them."""
        return [
            leaf for column in self for leaf in (column if isinstance(column, tuple) else (column,))
        ]


class BufferLayout(NamedTuple):
    """The sizes of a buffer, as plain data."""

    count: int  # M
    observation: tuple[tuple[tuple[int, ...], str], ...]  # shape and dtype of every leaf
    action_size: int
    action_dtype: str

    @classmethod
    def of_plain(cls, plain: Any) -> BufferLayout:
        """The layout that came through JSON."""
        count, leaves, size, dtype = plain
        return cls(count, tuple((tuple(shape), kind) for shape, kind in leaves), size, dtype)

    def columns(self) -> list[tuple[tuple[int, ...], np.dtype]]:
        """Shape and dtype of every array of a `SharedBuffer`."""
        m = self.count
        leaves = [((m, *shape), np.dtype(kind)) for shape, kind in self.observation]
        flags = ((m,), np.dtype(bool))
        return [
            ((m,), np.dtype(np.uint8)),
            ((m,), np.dtype(np.int64)),
            ((m, self.action_size), np.dtype(self.action_dtype)),
            *leaves,
            *leaves,
            ((m,), np.dtype(np.float32)),
            flags,
            flags,
            flags,
        ]

    def size(self) -> int:
        """Bytes of a buffer; every column starts on a cache line."""
        return sum(aligned(int(np.prod(s, dtype=int)) * d.itemsize) for s, d in self.columns())

    def buffer(self, memory: Any = None) -> SharedBuffer:
        """A buffer in `memory` (shared between processes), or in memory of its own."""
        if memory is None:
            memory = bytearray(max(self.size(), 1))
        arrays, offset = [], 0
        for shape, dtype in self.columns():
            arrays.append(np.ndarray(shape, dtype, memory, offset))
            offset += aligned(int(np.prod(shape, dtype=int)) * dtype.itemsize)
        k = len(self.observation)
        seen, after = tuple(arrays[3 : 3 + k]), tuple(arrays[3 + k : 3 + 2 * k])
        columns: list[Any] = [*arrays[:3], seen, after, *arrays[3 + 2 * k :]]
        return SharedBuffer(*columns)


def aligned(size: int) -> int:
    """The size rounded up to whole cache lines."""
    return -(-size // 64) * 64


def copies(leaves: Leaves) -> Leaves:
    """Copies of an observation's columns."""
    return tuple(leaf.copy() for leaf in leaves)
