"""The rows of a gradient check, as a table, as JSON, as arrays."""

from __future__ import annotations

import json
import math
import textwrap
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from upslope.diagnostics.verdicts import Verdict
from upslope.estimators.bias import BiasStatement
from upslope.estimators.gradient_estimator import TARGET

MAX_NAME_LENGTH = 26
LEGEND = """\
verdict    consistent: with unbiased, as far as so many episodes can show; !: declared unbiased
along g    bias along the reference and half its 95 % interval, in % of |grad J|
SNR, cos   |mean|^2 / total variance of one estimate; cosine of mean estimate and reference
95 % at    episodes after which the direction is right with probability 0.95
var*steps  work-normalised variance: total variance times steps (-: biased); µs: of one estimate"""


@dataclass(frozen=True)
class Row:
    """One estimator.

    Attributes:
      name: of the estimator.
      verdict: what was found.
      declaration: what the estimator says of itself; None where it says nothing.
      episodes: whole episodes in one estimate.
      steps: environment steps of one estimate, in the mean.
      seconds: to compute one estimate, sampling apart.
      sampling_seconds: to sample its episodes.
      mean: the mean estimate [D].
      variance: of one estimate, [D].
    """

    name: str
    verdict: Verdict
    declaration: BiasStatement | None
    episodes: int
    steps: float
    seconds: float
    sampling_seconds: float
    mean: np.ndarray
    variance: np.ndarray

    @property
    def work_normalized_variance(self) -> float:
        """Total variance times environment steps: what a step buys, smaller is better.

        References:
          Glynn and Whitt (1992), "The asymptotic efficiency of simulation estimators".
        """
        return self.verdict.variance * self.steps

    @property
    def episodes_for_direction(self) -> float:
        """Episodes after which the mean estimate points uphill with probability 0.95."""
        estimates = self.verdict.estimates_for_direction
        if not math.isfinite(estimates):
            return math.inf
        return math.ceil(estimates * self.episodes - 1e-9)

    @property
    def contradiction(self) -> str:
        """Where the finding and the declaration disagree; "" where they do not.

        Only one direction is a contradiction: a bias that is declared may be too small to be seen.
        Nor is it one if something else than grad J is estimated, such as that of a smoothed J.
        """
        declared = self.declaration
        if declared is None or not estimates_gradient(declared.estimand):
            return ""
        if declared.unbiased and not self.verdict.consistent:
            return f"declared unbiased for {declared.estimand}, found biased"
        return ""

    @property
    def finding(self) -> str:
        """`consistent with unbiased`, or `biased by -12 %`."""
        found = self.verdict
        if found.consistent:
            return "consistent with unbiased"
        return f"biased by {percent(max(found.distance, abs(found.bias)))} %"


@dataclass(frozen=True)
class GradientReport:
    """What a gradient check found.

    Attributes:
      environment: its name.
      objective: its name.
      rows: one an estimator.
      reference: the gradient they are held to, [D].
      reference_error: its standard error [D]; zero where it is exact.
      exact: whether the reference is exact.
      episodes: sampled for each estimator.
      false_alarms: the chance that any unbiased estimator among the rows is called biased.
      seconds: of the whole check.
      left_out: estimators that could not be tried here: name to reason.
    """

    environment: str
    objective: str
    rows: list[Row]
    reference: np.ndarray
    reference_error: np.ndarray
    exact: bool
    episodes: int
    false_alarms: float
    seconds: float
    left_out: dict[str, str] = field(default_factory=dict[str, str])

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    @property
    def contradictions(self) -> list[Row]:
        """Rows whose finding contradicts what they declare."""
        return [row for row in self.rows if row.contradiction]

    def heading(self) -> str:
        """What the rows are held to, in two or three lines."""
        length = float(np.linalg.norm(self.reference))
        if self.exact:
            truth = "exact"
        else:
            share = float(np.linalg.norm(self.reference_error)) / max(length, 1e-30)
            truth = f"from a large sample of its own, standard error {100 * share:.2g} %"
        lines = (
            f"gradient check on {self.environment}: {self.objective} objective, "
            f"{self.episodes:,} episodes per estimator\n"
            f"reference: {truth}; |grad J| = {length:.4g} in {self.reference.size} coordinates; "
            f"false alarms: {self.false_alarms:.2g} for all verdicts together"
        ).splitlines()
        return "\n".join(part for line in lines for part in textwrap.wrap(line, 100))

    def table(self) -> list[tuple[str, ...]]:
        """The heading of each column, then a row of text for each estimator."""
        findings = ("estimator", "verdict", "declared", "along g, %")
        quality = ("SNR", "cos", "95 % at", "var*steps", "µs")
        rows: list[tuple[str, ...]] = [findings + quality]
        for row in self.rows:
            found = row.verdict
            mark = " !" if row.contradiction else ""
            declared = ""
            if row.declaration is not None:
                declared = "unbiased" if row.declaration.unbiased else "biased"
                declared += "" if estimates_gradient(row.declaration.estimand) else "*"
            rows.append(
                (
                    row.name,
                    ("consistent" if found.consistent else row.finding.replace("by ", "")) + mark,
                    declared,
                    f"{percent(found.bias, '+')} ± {percent(found.bias_error)}",
                    short(found.snr, "inf"),
                    f"{found.cosine:.2f}",
                    short(row.episodes_for_direction),
                    short(row.work_normalized_variance) if found.consistent else "-",
                    short(1e6 * (row.seconds + row.sampling_seconds)),
                )
            )
        return rows

    def text(self) -> str:
        """The whole report as plain text, at most 100 columns wide."""
        rows = [line for row in self.table() for line in folded(row)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            " ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        legend = LEGEND
        if any(cell.endswith("*") for cell in (row[2] for row in rows)):
            legend += "\n*          declared for another target than grad J: upslope show ESTIMATOR"
        notes = [f"left out   {name}: {why}" for name, why in self.left_out.items()]
        notes += [
            f"!!! {row.name}: {row.contradiction} ({row.finding})" for row in self.contradictions
        ]
        notes = [
            part for note in notes for part in textwrap.wrap(note, 100, subsequent_indent=" " * 11)
        ]
        return "\n".join([self.heading(), "", *lines, "", legend, *notes])

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, all of them: what `--json` writes."""
        return {
            "environment": self.environment,
            "objective": self.objective,
            "episodes": self.episodes,
            "exact": self.exact,
            "false_alarms": self.false_alarms,
            "seconds": self.seconds,
            "reference": self.reference.tolist(),
            "reference_error": self.reference_error.tolist(),
            "left_out": self.left_out,
            "rows": [
                {
                    "name": row.name,
                    "finding": row.finding,
                    "contradiction": row.contradiction,
                    "declaration": None if row.declaration is None else row.declaration._asdict(),
                    **{name: plain(value) for name, value in row.verdict._asdict().items()},
                    "episodes": row.episodes,
                    "steps": row.steps,
                    "seconds": row.seconds,
                    "sampling_seconds": row.sampling_seconds,
                    "episodes_for_direction": plain(row.episodes_for_direction),
                    "work_normalized_variance": plain(row.work_normalized_variance),
                    "mean": row.mean.tolist(),
                    "coordinate_variance": row.variance.tolist(),
                }
                for row in self.rows
            ],
        }

    def to_json(self) -> str:
        """`to_dict` as JSON; infinities are null."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)


def folded(row: tuple[str, ...]) -> list[tuple[str, ...]]:
    """A row of text in lines, its name broken at a hyphen where it is long."""
    name = row[0]
    at = name.rfind("-", 0, MAX_NAME_LENGTH) + 1
    if len(name) <= MAX_NAME_LENGTH or not at:
        return [row]
    return [(name[:at], *row[1:]), (f"  {name[at:]}", *[""] * (len(row) - 1))]


def plain(value: float) -> bool | float | None:
    """A value for JSON."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return float(value) if math.isfinite(value) else None


def estimates_gradient(target: str) -> bool:
    """Whether a declared target is grad J itself: not that of something else, or smoothed."""
    return target == TARGET or target.startswith(f"{TARGET} and")


def percent(share: float, sign: str = "") -> str:
    """A share in per cent, without a decimal point where it says nothing."""
    value = 100 * share
    return f"{value:{sign}.0f}" if abs(value) >= 10 else f"{value:{sign}.1f}"


def short(value: float, infinite: str = "never") -> str:
    """Three digits; a word for what is infinite."""
    if not math.isfinite(value):
        return infinite if value > 0 else "-"
    if value >= 10_000 or (0 < abs(value) < 1e-3):
        return f"{value:.1e}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
