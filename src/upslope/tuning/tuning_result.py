"""What a tuning found."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from upslope.core.html_table import html_table
from upslope.training.statistics import bootstrap_interval


@dataclasses.dataclass(frozen=True)
class Trial:
    """One setting of the numbers, tried on a few seeds.

    Attributes:
      number: in the order of the trials; 0 is where the search started.
      settings: what was searched, by name.
      value: mean return over the trial's seeds; None for one that was pruned or failed.
      state: "complete", "pruned" or "failed".
      reason: of a failure, a sentence.
    """

    number: int
    settings: dict[str, Any]
    value: float | None
    state: str
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class FreshRuns:
    """Settings evaluated on seeds that no trial has seen.

    Attributes:
      label: which settings these are.
      trial: the number of the trial.
      trial_value: what the trial had said of them; None where it was pruned.
      returns: [S], one mean return per fresh seed.
      folder: of the run.
    """

    label: str
    trial: int
    trial_value: float | None
    returns: np.ndarray
    folder: Path

    @property
    def mean(self) -> float:
        """Over the fresh seeds."""
        return float(self.returns.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the mean over seeds; (nan, nan) of one seed."""
        return bootstrap_interval(self.returns, lambda values: float(np.mean(values)))

    @property
    def curse(self) -> float | None:
        """How much higher the trial's value was than the fresh one: the winner's curse."""
        return None if self.trial_value is None else self.trial_value - self.mean

    def row(self) -> list[str]:
        """The cells of a table, under `HEADINGS`."""
        low, high = self.interval
        interval = "" if np.isnan(low) else f" [{low:.1f}, {high:.1f}]"
        seen = "" if self.trial_value is None else f"{self.trial_value:.1f}"
        curse = "" if self.curse is None else f"{self.curse:+.1f}"
        return [self.label, str(self.trial), seen, f"{self.mean:.1f}{interval}", curse]


HEADINGS = ("settings", "trial", "in the trial", "on fresh seeds", "too high by")


@dataclasses.dataclass(frozen=True)
class Tuning:
    """The end of a tuning.

    Attributes:
      title: method and environment.
      trials: all of them, in order.
      winner: the best trial's settings on fresh seeds.
      start: those that the search started from, likewise; the same where they won.
      preset: the file of the winner's settings.
      folder: where everything is.
    """

    title: str
    trials: tuple[Trial, ...]
    winner: FreshRuns
    start: FreshRuns
    preset: Path
    folder: Path

    @property
    def settings(self) -> dict[str, Any]:
        """The winner's, of what was searched."""
        return dict(self.trials[self.winner.trial].settings)

    def rows(self) -> list[list[str]]:
        """Winner and start, under `HEADINGS`."""
        both = [self.winner] + [self.start] * (self.start.trial != self.winner.trial)
        return [fresh.row() for fresh in both]

    def __repr__(self) -> str:
        return (
            f"Tuning({self.title}: {len(self.trials)} trials, winner {self.winner.mean:.1f} on "
            f"{self.winner.returns.size} fresh seeds, start {self.start.mean:.1f}; {self.preset})"
        )

    def _repr_html_(self) -> str:
        return html_table(f"{self.title}, {len(self.trials)} trials", list(HEADINGS), self.rows())
