"""Folders that are complete or absent: files first, their manifest last, then the name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upslope.core.checks import StorageError
from upslope.storage import atomic
from upslope.storage.json_text import Json, parse_json

MANIFEST = "MANIFEST.json"
SCHEMA = 1
_TEMPORARY = re.compile(r"\.(tmp|old)-[0-9a-f]{16}$")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")


class DamagedFolder(StorageError):
    """A folder whose files are missing, cut short or altered: an older copy may still be good."""


class NewerSchema(StorageError):
    """A folder written by a newer version than this one can read."""


def library_version() -> str:
    """The installed version of Upslope."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("upslope")
    except PackageNotFoundError:
        return "unknown"


def commit_folder(final: Path, files: Mapping[str, bytes], kind: str) -> None:
    """Writes `files` into the folder `final`, all of them or none.

    They go into `final`.tmp-..., each made durable; then a manifest with their sizes and SHA-256
    hashes; then the folder gets its name. A folder that bore the name before is kept as
    `final`.old-... until the new one is durable, and readers find it there meanwhile.

    Raises:
      StorageError: when it cannot be written. The old folder is then untouched, and the
        temporary one removed.
    """
    final = Path(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        clean(final.parent, final.name)
        temporary = final.with_name(f"{final.name}.tmp-{secrets.token_hex(8)}")
        try:
            _fill(temporary, files, kind)
            _swap_into_place(temporary, final)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise atomic.storage_error("write", final, error) from error


def _fill(temporary: Path, files: Mapping[str, bytes], kind: str) -> None:
    atomic._interruption(f"mkdir {temporary}")
    temporary.mkdir()
    for name, data in files.items():
        atomic.write_durably(temporary / name, data)
    manifest = {
        "schema": SCHEMA,
        "kind": kind,
        "upslope": library_version(),
        "files": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        },
    }
    atomic.write_durably(temporary / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
    atomic.fsync_folder(temporary)


def _swap_into_place(temporary: Path, final: Path) -> None:
    backup = None
    if final.exists():
        backup = final.with_name(f"{final.name}.old-{secrets.token_hex(8)}")
        atomic._interruption(f"rename {backup}")
        os.replace(final, backup)
    try:
        atomic.rename(temporary, final)
    except OSError:
        if backup is not None and not final.exists():
            os.replace(backup, final)
        raise
    if backup is not None:
        atomic.remove_folder(backup)


def clean(parent: Path, name: str | None = None) -> None:
    """Removes what interrupted writers left in `parent` (of the folder `name`, or of all).

    A backup whose writer died before it was replaced gets its name back.
    """
    if not parent.is_dir():
        return
    for path in sorted(parent.iterdir()):
        match = _TEMPORARY.search(path.name)
        if match is None or not path.is_dir() or path.is_symlink():
            continue
        owner = path.name[: match.start()]
        backup = _TEMPORARY.search(owner)
        if name is not None and name != (owner[: backup.start()] if backup else owner):
            continue
        leftover = backup is None and match[1] == "old" and not (parent / owner).exists()
        if leftover and is_complete(path):
            atomic.rename(path, parent / owner)
        else:
            shutil.rmtree(path, ignore_errors=True)


def find(final: Path) -> Path | None:
    """Where the folder called `final` is: there, as a backup (see `commit_folder`), or nowhere."""
    if final.is_dir():
        return final
    if final.parent.is_dir():
        for path in sorted(final.parent.glob(f"{_escape(final.name)}.old-*")):
            if _TEMPORARY.search(path.name) and is_complete(path):
                return path
    return None


def _escape(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def is_complete(folder: Path) -> bool:
    """Whether the manifest is there and every file in it has its size. Hashes are not looked at."""
    try:
        for name, row in read_manifest(folder)["files"].items():
            _check_size(folder, name, row)
    except NewerSchema:
        return True
    except StorageError:
        return False
    return True


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a committed folder.

    Raises:
      DamagedFolder: when it is missing or malformed.
      NewerSchema: when a newer version wrote it.
    """
    path = folder / MANIFEST
    try:
        manifest = parse_json(_read_plain_file(path), str(path), max_bytes=1 << 20)
    except OSError as error:
        raise DamagedFolder(f"{folder} has no readable {MANIFEST}: {error.strerror}.") from error
    except StorageError as error:
        raise DamagedFolder(str(error)) from error
    check_schema(folder, manifest, SCHEMA)
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(
        _PLAIN_NAME.fullmatch(name)
        and isinstance(row, dict)
        and type(row.get("size")) is int
        and isinstance(row.get("sha256"), str)
        for name, row in files.items()
    ):
        raise DamagedFolder(f"{path} does not list plain file names with sizes and hashes.")
    return manifest


def check_schema(folder: Path, description: Json, known: int) -> None:
    """Raises unless `description["schema"]` is a version this library reads."""
    description = description if isinstance(description, dict) else {}
    schema = description.get("schema")
    if type(schema) is not int or schema < 1:
        raise DamagedFolder(f"{folder} does not say which schema version it has.")
    if schema > known:
        raise NewerSchema(
            f"{folder} has schema version {schema} (written by upslope "
            f"{description.get('upslope', 'unknown')!s:.40}); upslope {library_version()} reads "
            f"versions up to {known}. Upgrade with: pip install -U upslope"
        )


def read_folder(folder: Path, kind: str) -> dict[str, bytes]:
    """The files of a committed folder, each checked against the manifest.

    Raises:
      DamagedFolder: when a file is missing, has another size or another hash; it is named.
      NewerSchema: when a newer version wrote the folder.
    """
    manifest = read_manifest(folder)
    if manifest.get("kind") != kind:
        raise StorageError(f"{folder} holds a {manifest.get('kind')!r:.60}, not a {kind!r}.")
    files = {}
    for name, row in manifest["files"].items():
        _check_size(folder, name, row)
        try:
            data = _read_plain_file(folder / name)
        except OSError as error:
            raise DamagedFolder(f"{folder / name} cannot be read: {error.strerror}.") from error
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise DamagedFolder(
                f"{folder / name} is damaged: its SHA-256 hash is not the one in {MANIFEST}."
            )
        files[name] = data
    return files


def _check_size(folder: Path, name: str, row: Mapping[str, Any]) -> None:
    try:
        status = os.lstat(folder / name)
    except OSError as error:
        raise DamagedFolder(f"{folder / name} is missing: {error.strerror}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise DamagedFolder(f"{folder / name} is not a regular file.")
    if status.st_size != row["size"]:
        raise DamagedFolder(
            f"{folder / name} is damaged: {status.st_size} bytes instead of {row['size']}."
        )


def _read_plain_file(path: Path) -> bytes:
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    )
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(22, "not a regular file")
        return file.read()
