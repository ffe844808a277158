"""Ctrl-C while libraries load, when nothing has begun that could be saved."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Ctrl-C ends the process at once with 130: extension modules turn it into other errors."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)


def _leave(number: int, frame: FrameType | None) -> None:
    print("stopped before there was anything to save", file=sys.stderr, flush=True)
    os._exit(130)
