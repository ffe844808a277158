"""Metrics for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upslope.core.checks import missing_extra
from upslope.training.sink import Dashboard, Outcome, finite


class TensorBoardSink:
    """Scalars into event files, in `tensorboard/` of the run folder.

    A run that is continued adds a file, and TensorBoard hides what earlier ones say of later steps.

    Raises:
      UpslopeError: when tensorboardX is not installed.
    """

    def __init__(self, dashboard: Dashboard):
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise missing_extra("Logging to TensorBoard", "tensorboardX", "tensorboard") from error
        purge = None if dashboard.step is None else dashboard.step + 1
        self._writer = SummaryWriter(
            str(dashboard.folder / "tensorboard"),
            purge_step=purge,
            # Names are by the second: a run that is continued at once would write over the first.
            filename_suffix="" if purge is None else f".{purge}",
        )
        self.id = "tensorboard"
        self.where: str | None = None

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes each finite value at `step`."""
        for key, value in finite(values).items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()

    def close(self, outcome: Outcome) -> None:
        """Flushes and closes the event files."""
        self._writer.close()
