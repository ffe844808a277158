"""The picture of a comparison: aggregates, learning curves, profiles, who is better than whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from upslope.plots.drawing import COLORS, bare, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from upslope.comparison.comparison import Comparison, Group

MOST_PAIRS = 12


def comparison_figure(comparison: Comparison) -> Figure:
    """A matplotlib figure with a row for each group of comparable runs.

    From the left: interquartile means; sample-efficiency curves; performance profiles, the share
    of seeds above each return; probabilities of improvement. All with their intervals.

    Raises:
      UpslopeError: matplotlib is not installed.

    References:
      Agarwal, Schwarzer, Castro, Courville and Bellemare (2021), figures 7 to 10.
    """
    rows = len(comparison.groups)
    figure = require_matplotlib()(figsize=(14, 3.9 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, 4, squeeze=False, width_ratios=(1.1, 1.5, 1.3, 1.1))
    for row, group in zip(grid, comparison.groups, strict=True):
        _aggregates(row[0], group)
        _curves(row[1], group)
        _profiles(row[2], group)
        _improvement(row[3], group)
        for axes in row:
            bare(axes)
            axes.grid(alpha=0.25)
    figure.supxlabel(
        f"Points and lines: over seeds. Bars and bands: {100 * comparison.confidence:g} % "
        "stratified bootstrap intervals.",
        fontsize=8,
        color="0.4",
    )
    return figure


def _aggregates(axes: Axes, group: Group) -> None:
    for place, one in enumerate(group.contenders):
        found, color = one.aggregates["interquartile_mean"], COLORS[place % len(COLORS)]
        axes.plot(one.scores, np.full(one.scores.size, place), "|", color=color, alpha=0.4, ms=12)
        axes.plot(
            [float(found.low), float(found.high)], [place, place], color=color, lw=5, alpha=0.35
        )
        axes.plot(found.value, place, "o", color=color)
    axes.set_yticks(range(len(group.contenders)), [one.label for one in group.contenders])
    axes.set_ylim(len(group.contenders) - 0.5, -0.5)
    axes.set_xlabel("return of held-out episodes")
    axes.set_title(f"{group.title}\ninterquartile mean; strokes: seeds", loc="left", fontsize=10)


def _curves(axes: Axes, group: Group) -> None:
    for place, one in enumerate(group.contenders):
        color = COLORS[place % len(COLORS)]
        axes.plot(one.steps, one.curve.value, color=color, lw=2, label=one.label)
        axes.fill_between(one.steps, one.curve.low, one.curve.high, color=color, alpha=0.2, lw=0)
    axes.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("environment steps of each seed")
    axes.set_ylabel("return of held-out episodes")
    axes.set_title("sample efficiency", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=9)


def _profiles(axes: Axes, group: Group) -> None:
    for place, one in enumerate(group.contenders):
        color = COLORS[place % len(COLORS)]
        taus = group.thresholds
        axes.step(taus, one.profile.value, where="post", color=color, lw=2)
        ends = (one.profile.low, one.profile.high)
        axes.fill_between(taus, *ends, step="post", color=color, alpha=0.2, lw=0)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(r"return $\tau$")
    axes.set_ylabel(r"share of seeds above $\tau$")
    axes.set_title("performance profile", loc="left", fontsize=10)


def _improvement(axes: Axes, group: Group) -> None:
    places = {one.label: place for place, one in enumerate(group.contenders)}
    pairs = [pair for pair in group.improvement if places[pair[0]] < places[pair[1]]][:MOST_PAIRS]
    axes.set_visible(bool(pairs))
    for row, pair in enumerate(pairs):
        found, color = group.improvement[pair], COLORS[places[pair[0]] % len(COLORS)]
        axes.plot([float(found.low), float(found.high)], [row, row], color=color, lw=5, alpha=0.35)
        axes.plot(found.value, row, "o", color=color, clip_on=False)
    axes.axvline(0.5, color="0.3", ls="--", lw=1)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(max(len(pairs), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(pairs)), [f"{first}\n> {second}" for first, second in pairs])
    axes.set_xlabel("probability")
    axes.set_title("probability of improvement", loc="left", fontsize=10)
