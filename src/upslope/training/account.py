"""What a run has said and where its time went, over all processes that have worked on it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from upslope.engine.progress import Times

MOST_NOTES = 200


@dataclass
class Account:
    """What `summary.json` in a run folder holds; empty for runs of earlier versions.

    Attributes:
      times: seconds of all processes that ended by themselves or by a signal.
      said: notes while it ran, each once.
      closing: what was said of the last end.
      best_seen: [S], see `Summary`.
    """

    times: Times = field(default_factory=Times)
    said: list[str] = field(default_factory=list)
    closing: list[str] = field(default_factory=list)
    best_seen: np.ndarray | None = None

    @property
    def notes(self) -> list[str]:
        """All notes, each once."""
        return list(dict.fromkeys(self.said + self.closing))

    def after(
        self,
        times: Times,
        said: list[str],
        closing: list[str],
        best_seen: np.ndarray | None = None,
    ) -> Account:
        """The account with what another process has added."""
        sums = {
            name: getattr(self.times, name) + getattr(times, name)
            for name in dataclasses.asdict(times)
        }
        together = list(dict.fromkeys(self.said + said))
        closing = [note for note in dict.fromkeys(closing) if note not in together]
        return Account(Times(**sums), together, closing, best_seen)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        seen = None if self.best_seen is None else self.best_seen.tolist()
        return {
            "times": dataclasses.asdict(self.times),
            "said": self.said[:MOST_NOTES],
            "closing": self.closing[:MOST_NOTES],
            "best_seen": seen,
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Account:
        """The inverse of `to_dict`; what is missing or makes no sense is left out."""
        found = table.get("times")
        times = found if isinstance(found, Mapping) else {}
        seconds = {
            name: float(times[name]) for name in dataclasses.asdict(Times()) if is_time(times, name)
        }
        return cls(
            Times(**seconds),
            texts(table.get("said")),
            texts(table.get("closing")),
            numbers(table.get("best_seen")),
        )


def is_time(times: Mapping[str, Any], name: str) -> bool:
    """Whether a table has a number of seconds under a name."""
    value = times.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value >= 0


def texts(found: object) -> list[str]:
    """The texts in a list, as many as are kept."""
    parts = found if isinstance(found, list) else []
    return [part for part in parts if isinstance(part, str)][:MOST_NOTES]


def numbers(found: object) -> np.ndarray | None:
    """A list of numbers as an array, its nulls as NaN; None for anything else."""
    if not isinstance(found, list) or any(type(x) not in (int, float, type(None)) for x in found):
        return None
    return np.array([math.nan if x is None else x for x in found], float)
