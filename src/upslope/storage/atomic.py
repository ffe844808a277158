"""Files that are either the old one or the new one, whenever the machine stops."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from upslope.core.checks import StorageError

CHUNK = 1 << 22  # bytes handed to one write call
_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{16}$")


def _nothing(point: str) -> None:
    """What happens at a point where the process could be killed: nothing."""


# Called with "<operation> <path>" before every operation on the disk. Tests replace it with one
# that raises, in order to stop a save at each of its points.
_interruption: Callable[[str], None] = _nothing


def storage_error(doing: str, path: Path, error: OSError) -> StorageError:
    """The error of the operating system, with what was being done and a remedy."""
    reason = error.strerror or str(error)
    return StorageError(
        f"Could not {doing} {path}: {reason}. What was saved there before is untouched; "
        f"free space or choose a writable folder, then resume with `upslope resume`."
    )


def write_bytes(path: Path, data: bytes) -> None:
    """Replaces the file at `path` by `data`, or leaves it as it was.

    The bytes are on the disk (fsync) before the name points to them.

    Raises:
      StorageError: when the disk is full or the folder may not be written.
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}.tmp-{secrets.token_hex(8)}")
    try:
        write_durably(temporary, data)
        rename(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error("write", path, error) from error


def clean_files(folder: Path) -> None:
    """Removes what interrupted calls of `write_bytes` left in a folder. Raises OSError."""
    if folder.is_dir():
        for path in folder.iterdir():
            if _TEMPORARY.search(path.name) and path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """`write_bytes` of a value as JSON text; NaN and infinities are refused."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_durably(path: Path, data: bytes) -> None:
    """Creates a new file and returns when its bytes are on the disk. Raises OSError."""
    _interruption(f"open {path}")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        view = memoryview(data)
        half = min(CHUNK, max(1, len(view) // 2))  # at least two writes, so that a file can tear
        while view:
            _interruption(f"write {path}")
            view = view[os.write(descriptor, view[:half]) :]
        _interruption(f"fsync {path}")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Gives `source` the name `target` and makes the new name durable. Raises OSError."""
    _interruption(f"rename {target}")
    os.replace(source, target)
    fsync_folder(target.parent)


def fsync_folder(folder: Path) -> None:
    """Makes the names inside `folder` durable. Raises OSError."""
    _interruption(f"fsync-folder {folder}")
    if os.name == "nt":  # Windows has no such call; its renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Deletes a folder such that no half-deleted one ever bears its name. Raises OSError."""
    backup = folder.with_name(f"{folder.name}.tmp-{secrets.token_hex(8)}")
    _interruption(f"remove {folder}")
    os.replace(folder, backup)
    _interruption(f"delete {backup}")
    shutil.rmtree(backup, ignore_errors=True)
