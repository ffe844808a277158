"""The picture of a run: held-out return against environment steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from upslope.core.figure_class import require_matplotlib
from upslope.engine.progress import Evaluation
from upslope.training.statistics import bootstrap_interval, interquartile_mean


def learning_curve(evaluations: list[Evaluation], title: str) -> Any:
    """A matplotlib figure: thin lines are seeds, the band is a 95 % bootstrap interval.

    Args:
      evaluations: in order of steps.
      title: of the figure.

    Raises:
      UpslopeError: when matplotlib is not installed.
    """
    figure_class = require_matplotlib()
    steps = np.array([evaluation.steps.mean() for evaluation in evaluations])
    returns = np.array([evaluation.returns.mean(axis=1) for evaluation in evaluations])  # [K, S]
    centre = np.array([interquartile_mean(row) for row in returns])
    figure = figure_class(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(steps, returns, color="0.7", linewidth=0.8)
    axes.plot(steps, centre, color="#1f6f8b", linewidth=2, marker="o", markersize=3.5)
    if returns.shape[1] > 1:
        bounds = np.array([bootstrap_interval(row) for row in returns])
        axes.fill_between(steps, bounds[:, 0], bounds[:, 1], color="#1f6f8b", alpha=0.2, lw=0)
    axes.set_xlabel("environment steps of each seed")
    axes.set_ylabel("return of held-out episodes")
    axes.set_title(title, loc="left")
    axes.annotate(
        f"line: interquartile mean of {returns.shape[1]} seeds; band: 95 % bootstrap interval",
        (0, -0.19),
        xycoords="axes fraction",
        fontsize=8,
        color="0.4",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure
