"""Curves of runs: held-out returns and whatever was logged, every seed and their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from upslope.comparison.aggregates import interquartile_mean
from upslope.comparison.stratified_bootstrap import interval
from upslope.core.checks import UpslopeError, unknown_name
from upslope.plots.drawing import COLORS, bare, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from upslope.training.run import Run

EVALUATION = "evaluation"
LABELS = {
    EVALUATION: "return of held-out episodes",
    "return": "return of training episodes",
    "length": "steps of training episodes",
}
KEYS = ("seed", "iteration", "steps")
POINTS = 120
RESAMPLES = 400


def run_curves(runs: Mapping[str, Run], names: Sequence[str] = (EVALUATION,)) -> Figure:
    """A matplotlib figure with a panel for each curve: faint lines are seeds.

    Thick lines are interquartile means over seeds, bands 95 % bootstrap intervals of them.

    Args:
      runs: label to run.
      names: `evaluation`, or columns of the runs' `curves` (`return`, `entropy`, ...).

    Raises:
      UpslopeError: matplotlib is not installed, no run has such a curve, or nothing to draw.
    """
    if not runs or not names:
        raise UpslopeError("run_curves got nothing to draw: give runs by label and names.")
    known = list(dict.fromkeys(name for run in runs.values() for name in curves_of(run)))
    for name in names:
        if name not in known:
            raise unknown_name("curve", name, known)
    height = 3.2 * len(names) + 1
    figure = require_matplotlib()(figsize=(7, height), layout="constrained")
    panels = figure.subplots(len(names), squeeze=False, sharex=True)[:, 0]
    for axes, name in zip(panels, names, strict=True):
        for place, (label, run) in enumerate(runs.items()):
            lines = seed_curves(run, name)
            if not lines:
                continue
            color = COLORS[place % len(COLORS)]
            for steps, values in lines:
                axes.plot(steps, values, color=color, lw=0.8, alpha=0.3)
            steps, matrix = on_one_grid(lines)
            ends = [
                interval(interquartile_mean, row[:, None], resamples=RESAMPLES) for row in matrix
            ]
            axes.plot(steps, [float(end.value) for end in ends], color=color, lw=2, label=label)
            low, high = ([float(end[side]) for end in ends] for side in (1, 2))
            axes.fill_between(steps, low, high, color=color, alpha=0.2, lw=0)
        axes.set_ylabel(LABELS.get(name, name.replace("_", " ")))
        axes.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
        axes.locator_params(axis="x", nbins=6)
        bare(axes)
        axes.grid(alpha=0.25)
    panels[0].legend(frameon=False, fontsize=9)
    panels[-1].set_xlabel("environment steps of each seed")
    figure.supxlabel(
        "faint: seeds; line: their interquartile mean; band: 95 % bootstrap interval",
        fontsize=8,
        color="0.4",
    )
    return figure


def curves_of(run: Run) -> list[str]:
    """The names of the curves that a run has."""
    evaluated = [EVALUATION] if run.evaluations else []
    return evaluated + [name for name in run.curves if name not in KEYS]


def seed_curves(run: Run, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Steps and values of one curve for each seed, without what is not finite."""
    if name == EVALUATION:
        evaluations = run.evaluations
        steps = np.array([evaluation.steps for evaluation in evaluations])
        values = np.array([evaluation.returns.mean(axis=1) for evaluation in evaluations])
        lines = [(steps[:, seed], values[:, seed]) for seed in range(run.config.seeds)]
    elif name in run.curves:
        lines = [run.history.curve(name, seed) for seed in range(run.config.seeds)]
    else:
        return []
    kept = [(s[np.isfinite(v)], v[np.isfinite(v)]) for s, v in lines]
    return [line for line in kept if line[0].size]


def on_one_grid(lines: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Steps [P] where all seeds have values, and the values [P, S], linear between their own."""
    first = max(steps[0] for steps, _ in lines)
    last = max(first, min(steps[-1] for steps, _ in lines))
    own = lines[0][0]
    same = all(np.array_equal(steps, own) for steps, _ in lines) and own.size <= POINTS
    grid = own if same else np.linspace(first, last, POINTS)
    return grid, np.stack([np.interp(grid, steps, values) for steps, values in lines], axis=1)
