"""What an agent sees, over time: the picture of environments that cannot be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from upslope.drawing.canvas import COLORS, FAINT, GROUND, INK, PAPER, Canvas

if TYPE_CHECKING:
    from PIL import Image

# More numbers than this are shown as shades of one row each; more rows and columns than these are
# means of several.
MOST_LINES, MOST_ROWS, MOST_COLUMNS = 8, 32, 160
# Where the curves are, as shares of the height.
FLOOR, TALL = 0.1, 0.8


class ObservationPlot:
    """The numbers of an episode's observations, shown up to any moment of it.

    Few numbers are lines, each scaled to its own range within the episode; many are rows of a
    map, dark where a number is high.

    Args:
      observations: [T, D] of the whole episode, so that scales stay.
      size: width and height, pixels.
    """

    def __init__(self, observations: np.ndarray, size: tuple[int, int]):
        values = np.asarray(observations, float).reshape(len(observations), -1)
        values = np.where(np.isfinite(values), values, 0.0)
        low, high = values.min(axis=0), values.max(axis=0)
        span = np.where(high > low, high - low, 1.0)
        self.scaled = np.where(high > low, (values - low) / span, 0.5)
        self.size, self.aspect = size, size[0] / size[1]
        width = 0.88 * self.aspect
        self.times = (self.aspect - width) / 2 + width * np.linspace(0, 1, max(len(values), 2))
        self._whole = self._all()

    def picture(self, moment: int) -> Image.Image:
        """The episode up to a moment: what comes later is covered."""
        canvas = Canvas(*self.size, (0, self.aspect), (0, 1))
        canvas.paste(self._whole)
        now, right = float(self.times[moment]), float(self.times[-1]) + 0.02
        canvas.box((now, FLOOR - 0.02), (right, FLOOR + TALL + 0.02), PAPER)
        ground = [(self.times[0], FLOOR), (self.times[-1], FLOOR)]
        canvas.line(ground, GROUND, 0.004)
        canvas.line([(now, FLOOR), (now, FLOOR + TALL)], FAINT, 0.004)
        if self.lines:
            for number, share in enumerate(self.scaled[moment].tolist()):
                canvas.disc((now, FLOOR + TALL * share), 0.015, COLORS[number % len(COLORS)])
        words = f"observation, {self.scaled.shape[1]} numbers"
        canvas.text((self.aspect / 2, 0.04), words, 0.06, INK)
        return canvas.image()

    @property
    def lines(self) -> bool:
        """Whether they are few enough to be lines."""
        return self.scaled.shape[1] <= MOST_LINES

    def _all(self) -> Image.Image:
        """The whole episode, drawn once."""
        canvas = Canvas(*self.size, (0, self.aspect), (0, 1))
        if self.lines:
            for number, share in enumerate(self.scaled.T):
                if share.size > 1:
                    curve = np.column_stack([self.times, FLOOR + TALL * share])
                    canvas.line(curve, COLORS[number % len(COLORS)], 0.008)
            return canvas.whole()
        shades = averaged(averaged(self.scaled, MOST_COLUMNS).T, MOST_ROWS)
        edges = np.linspace(self.times[0], self.times[-1], shades.shape[1] + 1)
        heights = FLOOR + TALL * np.linspace(0, 1, shades.shape[0] + 1)
        for (row, column), shade in np.ndenumerate(np.round(235 - 200 * shades).astype(int)):
            color = f"#{shade:02x}{shade:02x}{min(shade + 20, 255):02x}"
            canvas.box((edges[column], heights[row]), (edges[column + 1], heights[row + 1]), color)
        return canvas.whole()


def averaged(values: np.ndarray, most: int) -> np.ndarray:
    """At most so many rows, each the mean of neighbours."""
    parts = np.array_split(values, min(most, len(values)))
    return np.stack([part.mean(axis=0) for part in parts])
