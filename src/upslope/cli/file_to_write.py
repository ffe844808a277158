"""Files that a command is asked to write."""

from __future__ import annotations

from pathlib import Path

from upslope.core.checks import StorageError


def file_to_write(name: str | None) -> Path | None:
    """A file to write, whose folder is there.

    Raises:
      StorageError: it is not.
    """
    if name in (None, "none"):
        return None
    path = Path(str(name))
    if not path.parent.is_dir():
        raise StorageError(f"{path} cannot be written: the folder {path.parent} does not exist.")
    return path
