"""Commands that messages print: quoted, so that they can be pasted into a shell."""

from __future__ import annotations

import shlex


def shell_command(*words: object) -> str:
    """`upslope` followed by words, each quoted for a POSIX shell where it has to be.

    >>> from pathlib import Path
    >>> shell_command("resume", Path("my runs/one"))
    "upslope resume 'my runs/one'"
    """
    return shlex.join(["upslope", *map(str, words)])
