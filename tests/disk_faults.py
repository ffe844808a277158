"""Stops a write to the disk at each of its points, as a kill or a failing disk would."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from upslope.storage import atomic


class Killed(BaseException):
    """The process is gone: nothing may be tidied up."""


class PowerLoss:
    """Raises `Killed` at point number `at`; what was written but not synced is then lost.

    Files that were not fsynced by then come back empty, which is what a journalling file system
    leaves of them.
    """

    def __init__(self, monkeypatch, at: int):
        self.at, self.points = at, 0
        self.dirty: dict[int, int] = {}  # inode to a descriptor, so that renames do not hide it
        real = os.fsync

        def fsync(descriptor):
            real(descriptor)
            synced = self.dirty.pop(os.fstat(descriptor).st_ino, None)
            if synced is not None:
                os.close(synced)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(atomic, "_interruption", self)

    def __call__(self, point: str) -> None:
        if self.points == self.at:
            for descriptor in self.dirty.values():
                os.ftruncate(descriptor, 0)
                os.close(descriptor)
            self.dirty.clear()
            raise Killed(point)
        self.points += 1
        operation, path = point.split(" ", 1)
        if operation == "write":
            inode = os.stat(path).st_ino
            if inode not in self.dirty:
                self.dirty[inode] = os.open(path, os.O_RDWR)


def failing_at(at: int, number: int = errno.ENOSPC) -> Callable[[str], None]:
    """An interruption that raises OSError at point number `at`, and at no other."""
    seen = [0]

    def interrupt(point: str) -> None:
        seen[0] += 1
        if seen[0] - 1 == at:
            raise OSError(number, os.strerror(number), point)

    return interrupt


def points_of(monkeypatch, action: Callable[[], object]) -> int:
    """How many points `action` passes."""
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_interruption", seen.append)
        action()
    return len(seen)
