"""A file beside the checkpoints that cannot be read is moved away, so that the run can go on."""

from __future__ import annotations

import os
from pathlib import Path

from upslope.core.checks import StorageError
from upslope.storage import atomic

SUFFIX = ".damaged"


class DamagedFile(StorageError):
    """A file that is cut short, altered, or holds something else than it should."""


def quarantine(path: Path, *, copy: bool = False) -> Path:
    """Gives a damaged file the suffix `.damaged`, in place of an earlier one.

    Args:
      path: of the file.
      copy: leave it where it is, too, for a file that must never be missing.

    Returns:
      Where it is kept.

    Raises:
      StorageError: when it cannot be renamed or copied.
    """
    kept = path.with_name(path.name + SUFFIX)
    try:
        if copy:
            atomic.write_bytes(kept, path.read_bytes())
            return kept
        atomic._interruption(f"rename {kept}")
        os.replace(path, kept)
    except OSError as error:
        raise atomic.storage_error("quarantine", path, error) from error
    return kept
