"""Warnings that are said once in a process, however many samplers meet the same environment."""

from __future__ import annotations

import functools
import warnings


@functools.lru_cache(maxsize=1024)
def warn_once(text: str) -> None:
    """Warns, unless the same was said before.

    Python's own filter does not do: every `catch_warnings` block makes it forget what was shown.
    """
    warnings.warn(text, stacklevel=3)
