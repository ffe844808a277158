"""Warnings as sentences, without the line of a library that a user of a command cannot change."""

from __future__ import annotations

import warnings


def one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """How `warnings` writes a warning in the process of a command.

    What says something to the user (`UserWarning` itself) is a note; all others tell a programmer,
    and keep the place in the code.
    """
    if category is UserWarning:
        return f"note: {message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


def say_warnings_plainly() -> None:
    """Lets the warnings of this process, which is the command's own, be written so."""
    warnings.formatwarning = one_line
