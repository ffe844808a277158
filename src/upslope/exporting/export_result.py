"""What an export wrote, and what was found of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from upslope.core.html_table import html_table
from upslope.exporting.agreement import Agreement
from upslope.exporting.latency import duration_text

HEADINGS = ("format", "file", "size", "difference", "one observation", "1,000 at once")


@dataclasses.dataclass(frozen=True)
class ExportedFile:
    """One file of an export.

    Attributes:
      format: its short name.
      path: of the file.
      size: in bytes.
      agreement: with `predict`, in deterministic actions.
      one: seconds for one observation.
      thousand: seconds for a batch of 1,000.
    """

    format: str
    path: Path
    size: int
    agreement: Agreement
    one: float
    thousand: float

    def row(self) -> list[str]:
        """The cells of a table."""
        size = f"{self.size / 1024:,.0f} KiB" if self.size >= 1024 else f"{self.size} B"
        found = f"{self.agreement.difference:.1g}"
        times = [duration_text(self.one), duration_text(self.thousand)]
        return [self.format, self.path.name, size, found, *times]


@dataclasses.dataclass(frozen=True)
class Export:
    """The files of one policy.

    Attributes:
      title: a line about the policy.
      seed_index: which of the run's seeds it is; None for a single policy.
      folder: where the files are.
      files: in the order asked for.
      predict_one: seconds that `predict` takes for one observation.
      predict_thousand: seconds for a batch of 1,000.
    """

    title: str
    seed_index: int | None
    folder: Path
    files: tuple[ExportedFile, ...]
    predict_one: float
    predict_thousand: float

    def rows(self) -> list[list[str]]:
        """`predict` and each file, under `HEADINGS`."""
        times = [duration_text(self.predict_one), duration_text(self.predict_thousand)]
        return [["predict", "", "", "", *times], *(file.row() for file in self.files)]

    def __repr__(self) -> str:
        names = ", ".join(file.path.name for file in self.files)
        return f"Export({self.title}: {names} in {self.folder})"

    def _repr_html_(self) -> str:
        return html_table(f"{self.title}, in {self.folder}", list(HEADINGS), self.rows())
