"""What a comparison of runs has found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from upslope.comparison.stratified_bootstrap import Interval
from upslope.core.html_table import html_table

NAMES = {
    "interquartile_mean": "IQM",
    "mean": "mean",
    "median": "median",
    "optimality_gap": "optimality gap",
}


@dataclass(frozen=True)
class Contender:
    """One run in a comparison: N seeds, evaluated K times on the way.

    Attributes:
      label: its name in tables and figures.
      folder: of the run, None if it wrote none.
      scores: [N] mean return of each seed's solution in the last evaluation.
      aggregates: name to value and interval: `interquartile_mean`, `mean`, `median` (of seeds) and,
        with a target, `optimality_gap`; see `upslope.comparison.aggregates`.
      steps: [K] mean environment steps of a seed at each evaluation.
      curve: [K] interquartile means over seeds of the return of held-out episodes.
      profile: [T] share of seeds above each of the group's thresholds.
    """

    label: str
    folder: Path | None
    scores: np.ndarray
    aggregates: Mapping[str, Interval]
    steps: np.ndarray
    curve: Interval
    profile: Interval


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: one environment, one budget, one way of evaluation.

    Attributes:
      conditions: what they share.
      contenders: the runs.
      thresholds: [T] returns at which performance profiles are taken.
      improvement: (label, other label) to the probability that a seed of the first is better.
    """

    conditions: Mapping[str, Any]
    contenders: tuple[Contender, ...]
    thresholds: np.ndarray
    improvement: Mapping[tuple[str, str], Interval]

    @property
    def title(self) -> str:
        """`CartPole-v1, 40,000 steps`."""
        return f"{self.conditions['environment']}, {self.conditions['total_timesteps']:,} steps"

    def rows(self) -> list[list[str]]:
        """The table: label, seeds, and each aggregate with its interval."""
        return [
            [
                one.label,
                str(one.scores.size),
                *(interval_text(found) for found in one.aggregates.values()),
            ]
            for one in self.contenders
        ]

    def columns(self) -> list[str]:
        """The heads of the table."""
        return ["run", "seeds", *(NAMES[name] for name in self.contenders[0].aggregates)]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Groups of comparable runs; runs of unlike conditions are never averaged.

    Attributes:
      groups: each with its contenders.
      notes: what was left out or kept apart, and why.
      confidence: of all intervals.
    """

    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    confidence: float

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, NaN where there is no interval."""
        return {
            "confidence": self.confidence,
            "notes": list(self.notes),
            "groups": [group_values(group) for group in self.groups],
        }

    def __repr__(self) -> str:
        lines = [f"Comparison({len(self.groups)} group{'s' * (len(self.groups) != 1)})"]
        for group in self.groups:
            lines.append(f"  {group.title}")
            for one in group.contenders:
                found = interval_text(one.aggregates["interquartile_mean"])
                lines.append(f"    {one.label}: IQM {found}, {one.scores.size} seeds")
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])

    def _repr_html_(self) -> str:
        """What a notebook shows: a table for each group."""
        tables = [html_table(group.title, group.columns(), group.rows()) for group in self.groups]
        notes = [html_table(note, [], []) for note in self.notes]
        return "\n".join(tables + notes)


def interval_text(found: Interval) -> str:
    """`487.2 [462.0, 500.0]`."""
    value = f"{float(found.value):,.4g}" if abs(float(found.value)) < 1 else f"{found.value:,.1f}"
    if np.isnan(found.low):
        return value
    style = ",.3f" if abs(float(found.value)) < 1 else ",.1f"
    return f"{value} [{format(float(found.low), style)}, {format(float(found.high), style)}]"


def interval_values(found: Interval) -> dict[str, Any]:
    """An interval as plain values."""
    return {name: np.asarray(end).tolist() for name, end in found._asdict().items()}


def group_values(group: Group) -> dict[str, Any]:
    """A group as plain values."""
    return {
        "conditions": dict(group.conditions),
        "thresholds": group.thresholds.tolist(),
        "runs": [
            {
                "label": one.label,
                "folder": None if one.folder is None else str(one.folder),
                "scores": one.scores.tolist(),
                "aggregates": {k: interval_values(v) for k, v in one.aggregates.items()},
                "steps": one.steps.tolist(),
                "curve": interval_values(one.curve),
                "profile": interval_values(one.profile),
            }
            for one in group.contenders
        ],
        "probability_of_improvement": [
            {"run": first, "over": second, **interval_values(found)}
            for (first, second), found in group.improvement.items()
        ],
    }
