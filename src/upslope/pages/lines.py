"""Lines with bands: curves of runs, profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from upslope.pages.axes import Axes, document, path

# A logarithmic axis is for values that are as far apart; those that are not above 0 are left out.
WIDE = 300.0


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
      x: [P].
      y: [P].
      color: its number.
      low: [P], the lower end of its interval, or None.
      high: [P], the upper end.
      faint: further lines of the same colour, drawn thin: pairs of x and y.
    """

    x: np.ndarray
    y: np.ndarray
    color: int = 0
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    faint: Sequence[tuple[np.ndarray, np.ndarray]] = ()


def line_chart(
    title: str, lines: Sequence[Line], x_label: str, y_label: str, *, may_be_log: bool = False
) -> str:
    """A chart of lines as SVG; what is not finite is left out.

    Args:
      title: read aloud in the place of the chart.
      lines: at least one value among them all.
      x_label: below.
      y_label: at the left.
      may_be_log: whether the y axis becomes logarithmic where values differ by orders.
    """
    x = finite([array for line in lines for array in (line.x, *(a for a, _ in line.faint))])
    ends = [line.low for line in lines] + [line.high for line in lines]
    y = finite(
        [array for line in lines for array in (line.y, *(b for _, b in line.faint))]
        + [end for end in ends if end is not None]
    )
    above = y[y > 0]
    log = may_be_log and 2 * above.size > y.size and float(above.max() / above.min()) > WIDE
    y = above if log else y
    axes = Axes((float(x.min()), float(x.max())), (float(y.min()), float(y.max())), log=log)
    parts = axes.frame(x_label, y_label)
    for line in lines:
        parts += [stroke(axes, x, y, f"faint c{line.color}") for x, y in line.faint]
    for line in lines:
        if line.low is not None and line.high is not None:
            parts.append(band(axes, line))
    parts += [stroke(axes, line.x, line.y, f"line c{line.color}") for line in lines]
    return document(title, parts)


def finite(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """All finite values; 0 where there is none."""
    values = np.concatenate([np.asarray(array, float).ravel() for array in arrays])
    values = values[np.isfinite(values)]
    return values if values.size else np.zeros(1)


def stroke(axes: Axes, x: np.ndarray, y: np.ndarray, kind: str) -> str:
    """One line; a single point is a dot."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    known = np.isfinite(x) & np.isfinite(y)
    if axes.log:
        known &= y > 0
    x, y = axes.across(x[known]), axes.down(y[known])
    if x.size == 1:
        return f'<circle class="dot {kind}" cx="{x[0]:.1f}" cy="{y[0]:.1f}" r="3.5"/>'
    return f'<path class="{kind}" d="{path(x, y)}"/>' if x.size else ""


def band(axes: Axes, line: Line) -> str:
    """The interval around a line."""
    assert line.low is not None
    assert line.high is not None
    x = np.asarray(line.x, float)
    low, high = np.asarray(line.low, float), np.asarray(line.high, float)
    known = np.isfinite(low) & np.isfinite(high)
    if axes.log:
        known &= high > 0
        low = np.maximum(low, 10.0 ** axes.y[0])
    if known.sum() < 2:
        return ""
    across = axes.across(x[known])
    edge = path(
        np.concatenate([across, across[::-1]]),
        np.concatenate([axes.down(high[known]), axes.down(low[known])[::-1]]),
    )
    return f'<path class="band c{line.color}" d="{edge}Z"/>'
