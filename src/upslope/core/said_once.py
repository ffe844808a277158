"""Warnings that are said once in a process, however many samplers meet the same environment."""

from __future__ import annotations

import functools
import warnings
from typing import Protocol

from .own_frame import raised


class Closable(Protocol):
    """What holds windows, ports or files until it is closed."""

    def close(self) -> object:
        """Lets go of them."""


@functools.lru_cache(maxsize=1024)
def warn_once(text: str) -> None:
    """Warns, unless the same was said before.

    Python's own filter does not do: every `catch_warnings` block makes it forget what was shown.
    """
    warnings.warn(text, stacklevel=3)


def close_quietly(env: Closable, name: str) -> None:
    """Closes a simulator; what it raises then is said once and changes nothing."""
    try:
        env.close()
    except (Exception, SystemExit) as error:
        warn_once(f"{name} raised in close: {raised(error)}. Nothing is lost by that.")
