"""Ctrl-C and SIGTERM: finish the iteration, save, say how to go on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from upslope.core.checks import UpslopeError


class Stopped(UpslopeError):
    """A signal asked the run to stop; everything up to the last iteration is saved."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.exit_code = 128 + number


class StopSignals:
    """While active, SIGINT, SIGTERM and SIGUSR1 set a flag; a second one ends the process at once.

    Handlers are put back on leaving. In a thread other than the main one (where Python allows no
    handlers) it does nothing.

    Args:
      heard: called once, at the first signal.
    """

    def __init__(self, heard: Callable[[], None] = lambda: None) -> None:
        self.heard = heard
        self.received: int | None = None
        self._old: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
                number = getattr(signal, name, None)
                if number is not None:
                    self._old[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old.clear()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        self.heard()
