"""Learning curves of several runs, side by side, with the uncertainty over their seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError
from upslope.plots.drawing import COLORS, bare, require_matplotlib
from upslope.training.statistics import bootstrap_interval, interquartile_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from upslope.training.run import Run

# Steps [K] and returns [K, S] of S seeds.
SampledCurve: TypeAlias = tuple[ArrayLike, ArrayLike]


def learning_curves(
    runs: Mapping[str, Run | SampledCurve],
    title: str = "",
    goal: float | None = None,
    goal_label: str = "optimum",
) -> Figure:
    """A matplotlib figure: held-out return against environment steps, one line for each run.

    Lines are interquartile means over seeds, bands 95 % bootstrap intervals of them.

    Args:
      runs: label to a `Run`, or to a pair (steps [K], returns [K, S]).
      title: of the figure.
      goal: a return to compare with, drawn as a dashed line.
      goal_label: what it is.

    Raises:
      UpslopeError: matplotlib is not installed; nothing to draw; steps and returns that do not fit.

    References:
      Agarwal, Schwarzer, Castro, Courville and Bellemare (2021), section 4.
    """
    if not runs:
        raise UpslopeError("learning_curves got no runs: give a mapping of labels to runs.")
    figure = require_matplotlib()(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    fewest = None
    for number, (label, run) in enumerate(runs.items()):
        steps, returns = _numbers(label, run)
        color = COLORS[number % len(COLORS)]
        centre = [interquartile_mean(row) for row in returns]
        axes.plot(steps, centre, color=color, linewidth=2, label=label)
        if returns.shape[1] > 1:
            bounds = np.array([bootstrap_interval(row) for row in returns])
            axes.fill_between(steps, bounds[:, 0], bounds[:, 1], color=color, alpha=0.2, lw=0)
        fewest = min(returns.shape[1], fewest or returns.shape[1])
    if goal is not None:
        axes.axhline(goal, color="0.3", linestyle="--", linewidth=1)
        font = {"fontsize": 8, "color": "0.3", "ha": "right", "va": "bottom"}
        axes.annotate(goal_label, (1, goal), xycoords=("axes fraction", "data"), **font)
    axes.set_xlabel("environment steps of each seed")
    axes.set_ylabel("return of held-out episodes")
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=9)
    bare(axes)
    axes.grid(alpha=0.25)
    figure.supxlabel(
        f"line: interquartile mean of at least {fewest} seeds; band: 95 % bootstrap interval",
        fontsize=8,
        color="0.4",
    )
    return figure


def _numbers(label: str, run: Run | SampledCurve) -> tuple[np.ndarray, np.ndarray]:
    evaluations = getattr(run, "evaluations", None)
    if evaluations is not None:
        steps = np.array([evaluation.steps.mean() for evaluation in evaluations])
        return steps, np.array([evaluation.returns.mean(axis=1) for evaluation in evaluations])
    pair = cast(SampledCurve, run)
    steps, returns = np.asarray(pair[0], float), np.asarray(pair[1], float)
    if returns.ndim != 2 or steps.shape != returns.shape[:1]:
        raise UpslopeError(
            f"learning_curves got {label!r} with steps of shape {steps.shape} and returns of shape "
            f"{returns.shape}: they must be [K] and [K, S]."
        )
    return steps, returns
