"""Where a call from Python is watched: in a terminal, in a notebook, or nowhere."""

from __future__ import annotations

import sys


def in_terminal() -> bool:
    """Whether standard output is a terminal in which a picture can stay in place.

    It may be nothing at all, or an object of the user's that can be written to and no more.
    """
    if not getattr(sys.stdout, "isatty", bool)():
        return False
    from rich.console import Console

    console = Console()
    return console.is_terminal and not console.is_dumb_terminal


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None
