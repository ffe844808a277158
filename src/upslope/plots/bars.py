"""Bias and variance of gradient estimators, side by side."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from upslope.plots.drawing import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from upslope.diagnostics.gradient_report import GradientReport, Row

FOUND_UNBIASED, FOUND_BIASED, CONTRADICTION = "#1f6f8b", "0.6", "#c1440e"
# Biases beyond this share of |grad J| are drawn as arrows at the edge: they would hide the others.
FURTHEST = 1.5


def estimator_bars(report: GradientReport) -> Figure:
    r"""A matplotlib figure with a row for each estimator.

    Left: the bias along the gradient, :math:`(E[\hat g] - g) \cdot g / |g|^2`, with its 95 %
    interval (-1 is no signal at all). Right: the total variance of one estimate times the
    environment steps it costs, on a logarithmic axis.

    Args:
      report: of a gradient check.

    Raises:
      UpslopeError: when matplotlib is not installed.
    """
    figure_class = require_matplotlib()
    rows = report.rows[::-1]
    place = np.arange(len(rows))
    figure = figure_class(figsize=(9.5, 1.6 + 0.24 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    colors = [color_of(row) for row in rows]
    draw_bias(left, rows, colors)
    work = np.array([row.work_normalized_variance for row in rows])
    right.barh(place, np.where(work > 0, work, np.nan), color=colors, height=0.65)
    if (work > 0).any():
        right.set_xscale("log")
    left.set_yticks(place, [row.name for row in rows], fontsize=8)
    left.set_ylim(-0.7, len(rows) - 0.3)
    left.set_xlabel("bias along grad J, share of |grad J|; 95 % interval")
    right.set_xlabel("variance of an estimate x its steps")
    left.set_title(f"{report.environment}, {report.objective} objective", loc="left", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", alpha=0.25)
        axes.tick_params(axis="x", labelsize=8)
    legend(figure, colors)
    return figure


def draw_bias(axes: Axes, rows: list[Row], colors: list[str]) -> None:
    """Points with intervals; what lies beyond the edge is an arrow with its number."""
    axes.axvline(0.0, color="0.3", linewidth=0.8)
    for height, (row, color) in enumerate(zip(rows, colors, strict=True)):
        bias, error = row.verdict.bias, row.verdict.bias_error
        if not math.isfinite(bias):
            continue
        if abs(bias) > FURTHEST:
            edge = math.copysign(FURTHEST, bias)
            axes.plot(edge, height, marker=">" if bias > 0 else "<", color=color, markersize=6)
            side = "right" if bias > 0 else "left"
            text = f"{bias:+.3g}   " if bias > 0 else f"   {bias:+.3g}"
            axes.text(edge, height, text, ha=side, va="center", fontsize=7, color=color)
            continue
        axes.errorbar(bias, height, xerr=error, fmt="o", color=color, markersize=4, capsize=2)
    reach = [min(abs(r.verdict.bias) + r.verdict.bias_error, FURTHEST) for r in rows]
    widest = max([value for value in reach if math.isfinite(value)], default=1.0) or 1.0
    axes.set_xlim(-1.08 * widest, 1.08 * widest)


def color_of(row: Row) -> str:
    """By what was found, and whether it contradicts what was declared."""
    if row.contradiction:
        return CONTRADICTION
    return FOUND_UNBIASED if row.verdict.consistent else FOUND_BIASED


def legend(figure: Figure, colors: list[str]) -> None:
    """What the colours mean, those that appear."""
    from matplotlib.lines import Line2D

    meaning = {
        FOUND_UNBIASED: "consistent with unbiased",
        FOUND_BIASED: "biased",
        CONTRADICTION: "biased, and declared unbiased",
    }
    shown = [color for color in meaning if color in colors]
    marks = [Line2D([], [], marker="o", linestyle="", color=color) for color in shown]
    figure.legend(
        marks,
        [meaning[color] for color in shown],
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
    )


def save(report: GradientReport, path: str | Path) -> Path:
    """Draws a report to a file; its ending says the format.

    Raises:
      UpslopeError: when matplotlib is not installed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    estimator_bars(report).savefig(path, dpi=150)
    return path
