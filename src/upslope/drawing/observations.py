"""What an agent sees, over time: the picture of environments that cannot be drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from upslope.drawing.canvas import COLORS, FAINT, GROUND, INK, Canvas

# More numbers than this are shown as shades of one row each.
MOST_LINES = 8


def plot_observations(
    observations: Sequence[np.ndarray] | np.ndarray, moment: int, size: tuple[int, int]
) -> Canvas:
    """The numbers of an episode's observations up to a moment.

    Few numbers are lines, each scaled to its own range within the episode; many are rows of a
    map, dark where a number is high.

    Args:
      observations: [T, D] of the whole episode, so that scales stay.
      moment: the last row that is shown.
      size: width and height, pixels.
    """
    values = np.asarray(observations, float).reshape(len(observations), -1)
    values = np.where(np.isfinite(values), values, 0.0)
    low, high = values.min(axis=0), values.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    scaled = np.where(high > low, (values - low) / span, 0.5)
    aspect = size[0] / size[1]
    width, height = 0.88 * aspect, 0.8
    canvas = Canvas(*size, (0, aspect), (0, 1))
    left, floor = (aspect - width) / 2, 0.1
    times = left + width * np.arange(len(values)) / max(len(values) - 1, 1)
    shown = scaled[: moment + 1]
    if values.shape[1] <= MOST_LINES:
        canvas.line([(left, floor), (left + width, floor)], GROUND, 0.004)
        for number in range(values.shape[1]):
            color = COLORS[number % len(COLORS)]
            curve = np.column_stack([times[: moment + 1], floor + height * shown[:, number]])
            if len(curve) > 1:
                canvas.line(curve, color, 0.008)
            canvas.disc(curve[-1], 0.015, color)
    else:
        _map(canvas, shown, times, (floor, height))
    canvas.line([(times[moment], floor), (times[moment], floor + height)], FAINT, 0.004)
    canvas.text((aspect / 2, 0.04), f"observation, {values.shape[1]} numbers", 0.06, INK)
    return canvas


def _map(canvas: Canvas, shown: np.ndarray, times: np.ndarray, place: tuple[float, float]) -> None:
    """At most 32 rows and 64 columns of shades, means of what falls into each."""
    rows = np.array_split(np.arange(shown.shape[1]), min(32, shown.shape[1]))
    columns = np.array_split(np.arange(len(times)), min(64, len(times)))
    floor, height = place
    step = (times[-1] - times[0]) / max(len(times) - 1, 1)
    for column in columns:
        column = column[column < len(shown)]
        if not column.size:
            break
        left, right = times[column[0]] - step / 2, times[column[-1]] + step / 2
        for index, row in enumerate(rows):
            shade = round(235 - 200 * float(shown[np.ix_(column, row)].mean()))
            low = floor + height * index / len(rows)
            top = floor + height * (index + 1) / len(rows)
            canvas.box(
                (left, low), (right, top), f"#{shade:02x}{shade:02x}{min(shade + 20, 255):02x}"
            )
