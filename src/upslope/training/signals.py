"""Ctrl-C, SIGTERM and a closed terminal: come to a stop soon, save, say how to go on."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from upslope.engine.loop import Interrupted

# SIGHUP says that the terminal was closed.
NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


class Stopped(KeyboardInterrupt):
    """A signal asked the run to stop; what there is of it is in its folder, if it has one.

    Like every `KeyboardInterrupt` it is no `Exception`: a loop over runs that goes on after errors
    ends, too.

    Attributes:
      exit_code: what the `upslope` command exits with: 128 and the signal's number.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.exit_code = 128 + number


class StopSignals:
    """While active, SIGINT, SIGTERM, SIGUSR1 and SIGHUP set a flag; a second one does not wait.

    The second ends the process at once, or puts the handlers back and raises `KeyboardInterrupt`
    where the process is not ours. Handlers are put back on leaving. In a thread other than the main
    one (where Python allows no handlers) it does nothing. A SIGHUP that is ignored (`nohup`) stays
    so; further ones count as the first, since both the system and the shell send it.

    An evaluation can be done again, and so can a long iteration on simulators: within
    `interruptible` the first signal raises at once.

    Args:
      heard: called once, at the first signal.
      owns_process: whether a second signal ends the process, as the command wants it.

    Attributes:
      received: the number of the first signal; None before.
      last_words: called with its number before a second signal ends the process.
    """

    def __init__(
        self, heard: Callable[[], None] = lambda: None, *, owns_process: bool = False
    ) -> None:
        self.heard = heard
        self.owns_process = owns_process
        self.received: int | None = None
        self.last_words: Callable[[int], None] = lambda number: None
        self._raises = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for name in NAMES:
                number = getattr(signal, name, None)
                if number is None or (
                    name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN
                ):
                    continue
                self._old[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within the block the first signal raises, and so does one that was heard before it.

        Raises:
          Interrupted: a signal was heard.
        """
        self._raises = True
        try:
            if self.received is not None:
                raise Interrupted
            yield
        finally:
            self._raises = False

    def _restore(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old.clear()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == getattr(signal, "SIGHUP", None):
            return
        if self.received is not None:
            if self.owns_process:
                self.last_words(number)
                os._exit(128 + number)
            self._restore()
            raise KeyboardInterrupt
        self.received = number
        self.heard()
        if self._raises:
            self._raises = False
            raise Interrupted
