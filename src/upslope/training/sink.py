"""What a dashboard is told of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

Outcome = Literal["done", "stopped", "failed"]


class Dashboard(NamedTuple):
    """What a dashboard needs to begin a run, or to continue one.

    Attributes:
      folder: of the run.
      project: under which runs are gathered: W&B's project, MLflow's experiment.
      name: of the run.
      group: of runs that belong together; None for none.
      config: the run's settings.
      id: by what an earlier process knew this run; None: it begins.
      step: at which it is continued, environment steps of one seed; None: it begins.
    """

    folder: Path
    project: str
    name: str
    group: str | None
    config: Mapping[str, Any]
    id: str | None = None
    step: int | None = None


class Sink(Protocol):
    """Takes metrics. `step` is environment steps of one seed, and never goes back.

    Attributes:
      id: by which the run is continued.
      where: how it is looked at, for the user; None where nothing needs to be said.
    """

    id: str
    where: str | None

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Takes one row; a value is a number, or one number a seed [S]."""
        ...

    def close(self, outcome: Outcome) -> None:
        """No more rows will come."""
        ...


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """One number a key, the mean over seeds; NaN and infinities are left out."""
    means = {}
    for key, value in values.items():
        numbers = np.asarray(value, float)
        numbers = numbers[np.isfinite(numbers)]
        if numbers.size:
            means[key] = float(numbers.mean())
    return means
