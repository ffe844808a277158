"""Values with intervals, one row each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from upslope.pages.axes import BOTTOM, HEIGHT, LEFT, TOP, Axes, document

ROW = 44


@dataclass(frozen=True)
class Interval:
    """A value with its interval.

    Attributes:
      label: of the row.
      value: the point.
      low: NaN where there is no interval.
      high: likewise.
      color: its number.
      points: what it is of, drawn as faint marks.
    """

    label: str
    value: float
    low: float
    high: float
    color: int = 0
    points: Sequence[float] = ()


def interval_chart(
    title: str,
    rows: Sequence[Interval],
    x_label: str,
    reference: float | None = None,
    ends: tuple[float, float] | None = None,
) -> str:
    """A chart of intervals as SVG, the label of each row above it.

    Args:
      title: read aloud in the place of the chart.
      rows: from top to bottom.
      x_label: below.
      reference: a value that is marked by a line.
      ends: of the axis; None: as the values need it.
    """
    values = [v for row in rows for v in (row.value, row.low, row.high, *row.points)]
    values += [*(() if reference is None else (reference,)), *(ends or ())]
    known = [value for value in values if math.isfinite(value)] or [0.0]
    room = 0.04 * (max(known) - min(known))
    axes = Axes((min(known) - room, max(known) + room), (0.0, 1.0))
    height = TOP + ROW * len(rows) + BOTTOM
    lift = height - HEIGHT
    below = [part for part in axes.frame(x_label, "") if 'class="grid"' not in part]
    parts = [f'<g transform="translate(0 {lift})">{"".join(below)}</g>']
    if reference is not None:
        place = float(axes.across(reference))
        parts.append(f'<path class="grid" d="M{place:.1f} {TOP}V{height - BOTTOM}"/>')
    for number, row in enumerate(rows):
        y = TOP + ROW * number + 30
        parts.append(f'<text x="{LEFT}" y="{y - 14}">{escape(row.label)}</text>')
        for point in row.points:
            if math.isfinite(point):
                x = float(axes.across(point))
                parts.append(f'<path class="faint c{row.color}" d="M{x:.1f} {y - 6}v12"/>')
        if math.isfinite(row.low) and math.isfinite(row.high):
            left, right = (float(x) for x in axes.across(np.array([row.low, row.high])))
            parts.append(f'<path class="line c{row.color}" d="M{left:.1f} {y}H{right:.1f}"/>')
        if math.isfinite(row.value):
            x = float(axes.across(row.value))
            parts.append(f'<circle class="dot c{row.color}" cx="{x:.1f}" cy="{y}" r="5"/>')
    return document(title, parts, height)
