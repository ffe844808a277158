"""What a gradient check shows while it lasts: whose turn it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from upslope.core.where_shown import in_notebook


@contextmanager
def shown(progress: bool | None) -> Iterator[Callable[[str], None]]:
    """A function that is told each name, and shows it on standard error.

    In a terminal and in a notebook the names take one line, which is gone in the end.

    Args:
      progress: True shows lines elsewhere too, False nothing; None: where a person watches.
    """
    terminal = bool(getattr(sys.stderr, "isatty", bool)())
    if progress is False or (progress is None and not (terminal or in_notebook())):
        yield lambda name: None
        return
    if not terminal and not in_notebook():
        yield lambda name: print(f"{name} ...", file=sys.stderr, flush=True)
        return
    clear, widest = ("\r\x1b[K" if terminal else "\r"), 0

    def tell(name: str) -> None:
        nonlocal widest
        text = f"{name} ..."
        widest = max(widest, len(text))
        print(f"{clear}{text:<{0 if terminal else widest}}", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        blank = "" if terminal else " " * widest + "\r"
        print(f"{clear}{blank}", end="", file=sys.stderr, flush=True)
