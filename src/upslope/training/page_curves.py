"""Curves of a run as charts of a page: every seed, their interquartile mean, its interval."""

from __future__ import annotations

import numpy as np

from upslope.pages import Figure, Line, line_chart
from upslope.training.run import Run
from upslope.training.statistics import interval_curve

# Points of a drawn curve, and seeds that are drawn each by itself.
POINTS, MOST_SEEDS = 80, 24
KEYS = ("seed", "iteration", "steps")
# What says how good a gradient estimate is, and what it is in words.
GRADIENT = {
    "gradient_snr": "signal-to-noise ratio of the gradient",
    "gradient_cosine": "cosine between gradients of half batches",
    "gradient_noise_scale": "gradient noise scale, samples",
}
LABELS = {
    "return": "return of training episodes",
    "length": "steps of training episodes",
    "episodes": "training episodes",
    **GRADIENT,
}
STEPS = "environment steps of each seed"


def evaluation_figure(run: Run) -> Figure | None:
    """The returns of held-out episodes; None before the first evaluation."""
    if not run.evaluations:
        return None
    steps = np.array([evaluation.steps for evaluation in run.evaluations], float)
    values = np.array([evaluation.returns.mean(axis=1) for evaluation in run.evaluations])
    values[-1] = run.returns
    lines = [(steps[:, seed], values[:, seed]) for seed in range(run.config.seeds)]
    title = "Return of held-out episodes"
    svg = line_chart(title, [line_of(lines, steps.mean(axis=1), values)], STEPS, "return")
    return Figure(title, svg)


class LoggedCurves:
    """What a run has logged, taken apart by seeds once for all its charts."""

    def __init__(self, run: Run):
        columns = run.curves
        seeds = np.asarray(columns.get("seed", np.zeros(0, int)))
        self._rows = [np.flatnonzero(seeds == seed) for seed in range(run.config.seeds)]
        self._steps = np.asarray(columns.get("steps", np.zeros(0)), float)
        self._columns = {name: value for name, value in columns.items() if name not in KEYS}

    @property
    def names(self) -> list[str]:
        """What was logged besides steps."""
        return list(self._columns)

    def figure(self, name: str) -> Figure | None:
        """One curve as a chart; None where it was not logged or has no finite value."""
        if name not in self._columns:
            return None
        values = np.asarray(self._columns[name], float)
        lines = []
        for rows in self._rows:
            known = rows[np.isfinite(values[rows])]
            if known.size:
                lines.append(thinned(self._steps[known], values[known]))
        if not lines:
            return None
        title = LABELS.get(name, name.replace("_", " "))
        line = line_of(lines, *on_one_grid(lines))
        svg = line_chart(title, [line], STEPS, "", may_be_log=name in GRADIENT)
        return Figure(title[0].upper() + title[1:], svg)


def line_of(
    lines: list[tuple[np.ndarray, np.ndarray]], grid: np.ndarray, table: np.ndarray
) -> Line:
    """The mean line with its band, and a faint one for each seed (not for very many).

    Args:
      lines: steps and values of each seed.
      grid: steps [P] of the mean line.
      table: values [P, S] there.
    """
    if len(lines) == 1:
        return Line(*lines[0])
    resamples = int(np.clip(20_000 // len(lines), 200, 1000))  # an eye sees no more
    centre, low, high = interval_curve(table, resamples=resamples)
    return Line(grid, centre, low=low, high=high, faint=lines[:MOST_SEEDS])


def thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most so many points, each the mean of a stretch."""
    if steps.size <= POINTS:
        return steps, values
    parts = np.array_split(np.arange(steps.size), POINTS)
    return (
        np.array([steps[part].mean() for part in parts]),
        np.array([values[part].mean() for part in parts]),
    )


def on_one_grid(lines: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Steps [P] where all seeds have values, and those [P, S], linear between their own."""
    first = max(steps[0] for steps, _ in lines)
    last = max(first, min(steps[-1] for steps, _ in lines))
    grid = np.unique(np.linspace(first, last, min(POINTS, max(len(steps) for steps, _ in lines))))
    return grid, np.stack([np.interp(grid, steps, values) for steps, values in lines], axis=1)
