"""The picture of the ladder: regret to the exact optimum against environment steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from upslope.comparison import interval
from upslope.comparison.aggregates import mean
from upslope.plots.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, bare, require_matplotlib

FAMILIES = {
    "gradient-free": GREY,
    "policy gradient": PURPLE,
    "Q-learning": ORANGE,
    "Dyna": BLUE,
    "fitted model, planning": GREEN,
}
TRUE = "true model, planning"
# Below this share of the regret of chance the axis is even, down to 0.
EVEN_BELOW = {False: 1e-2, True: 1e-7}
BAND = {"confidence": 0.95, "resamples": 2000}


def ladder_figure(problems: Sequence[Mapping[str, Any]]):
    """A matplotlib figure with a panel for each problem.

    Args:
      problems: as `ladder.py` stores them, one each: title, chance, and rungs with steps [K] and
        exact regrets [K, S].

    Raises:
      UpslopeError: matplotlib is not installed.
    """
    columns = min(2, len(problems))
    rows = -(-len(problems) // columns)
    figure = require_matplotlib()(figsize=(5.2 * columns, 3.6 * rows + 0.8), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(problems) :]:
        axes.set_visible(False)
    lines: dict[str, Any] = {}
    for axes, problem in zip(grid.flat, problems, strict=False):
        lines |= panel(axes, problem)
    order = [name for name in (*FAMILIES, TRUE) if name in lines]
    figure.legend(
        [lines[name] for name in order],
        order,
        loc="outside upper center",
        ncols=3,
        frameon=False,
    )
    figure.supxlabel(
        "environment steps of each seed; lines: means over seeds, bands: 95 % bootstrap intervals; "
        "dotted: acting by chance",
        fontsize=9,
        color="0.3",
    )
    return figure


def panel(axes: Any, problem: Mapping[str, Any]) -> dict[str, Any]:
    """The curves of one problem; returns a line of each family."""
    chance = problem["chance"]
    linear = problem["title"].startswith("linear")
    even = EVEN_BELOW[linear] * chance
    lines = {}
    for rung in problem["rungs"]:
        color = FAMILIES[rung["family"]]
        regret = np.array(rung["regret"])
        ends = [interval(mean, row[:, None], **BAND) for row in regret]
        value, low, high = (np.array(each, float) for each in zip(*ends, strict=True))
        (lines[rung["family"]],) = axes.plot(rung["steps"], value, color=color, lw=2, zorder=3)
        axes.fill_between(rung["steps"], low, high, color=color, alpha=0.18, lw=0)
        axes.plot(rung["steps"][-1], value[-1], "o", color=color, ms=4, zorder=3)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=even, linscale=0.4)
    axes.axhline(chance, color="0.4", ls=":", lw=1)
    lines[TRUE] = axes.axhline(0.0, color="k", lw=2, ls="--", zorder=2)
    axes.set_ylim(-0.15 * even, (100 if linear else 2) * chance)
    axes.set_ylabel("regret  J* − J")
    axes.set_title(f"{problem['title']}, γ = {problem['gamma']:g}", loc="left", fontsize=10)
    axes.grid(alpha=0.25)
    axes.margins(x=0.02)
    bare(axes)
    return lines
