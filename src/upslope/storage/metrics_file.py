"""Rows of metrics, one JSON object a line, appended as they come."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upslope.core.checks import StorageError
from upslope.storage import atomic
from upslope.storage.json_text import finite_or_null


class MetricsFile:
    """`metrics.jsonl`: append-only, in the order of the steps.

    Every row has the key `step`. NaN and infinities are written as null. A row that was being
    written when the process died is not read, and the next row starts on a line of its own.

    Args:
      path: the file; it need not exist.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self._descriptor: int | None = None
        self._named = False  # whether the file's name is known to be on the disk

    def append(self, step: int, values: Mapping[str, Any]) -> None:
        """Adds one row; it is in the operating system's hands on return.

        Raises:
          StorageError: when the disk is full or the file may not be written.
        """
        row = {"step": int(step)} | {k: finite_or_null(v) for k, v in values.items() if k != "step"}
        line = (json.dumps(row, allow_nan=False) + "\n").encode()
        try:
            if self._descriptor is None:
                self._descriptor = self._open()
            atomic._interruption(f"append {self.path}")
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            raise atomic.storage_error("append to", self.path, error) from error

    def _open(self) -> int:
        torn = False
        if self.path.is_file() and self.path.stat().st_size:
            with open(self.path, "rb") as file:
                file.seek(-1, os.SEEK_END)
                torn = file.read(1) != b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        if torn:
            os.write(descriptor, b"\n")
        return descriptor

    def sync(self) -> None:
        """Returns when every row that was appended is on the disk, and the file's name with it.

        Raises:
          StorageError: when the disk refuses.
        """
        if self._descriptor is None:  # nothing was appended since it was last made durable
            return
        try:
            atomic._interruption(f"fsync {self.path}")
            os.fsync(self._descriptor)
            if not self._named:
                atomic.fsync_folder(self.path.parent)
                self._named = True
        except OSError as error:
            raise atomic.storage_error("append to", self.path, error) from error

    def rows(self) -> list[dict[str, Any]]:
        """All whole rows."""
        if not self.path.is_file():
            return []
        rows = []
        with open(self.path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    continue  # torn by a crash
                if isinstance(row, dict) and type(row.get("step")) is int:
                    rows.append(row)
        return rows

    def truncate_after(self, step: int) -> None:
        """Drops the rows of later steps, so that a run that goes on from `step` repeats none.

        Raises:
          StorageError: when the file cannot be replaced.
        """
        self.close()
        if not self.path.is_file():
            return
        kept = [json.dumps(row) + "\n" for row in self.rows() if row["step"] <= step]
        atomic.write_bytes(self.path, "".join(kept).encode())

    def close(self) -> None:
        """Closes the file; a later `append` opens it again."""
        if self._descriptor is not None:
            try:
                os.close(self._descriptor)
            except OSError as error:
                raise StorageError(f"Could not close {self.path}: {error.strerror}.") from error
            finally:
                self._descriptor = None
