"""The frame of a chart: scales, ticks, labels. Colours are classes, which the page defines."""

from __future__ import annotations

import math
from html import escape

import numpy as np

WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 46


class Axes:
    """Numbers to places in a chart, y upwards.

    Args:
      x: the smallest and the largest value.
      y: the same; a logarithmic axis needs them above 0.
      log: whether the y axis is logarithmic.
    """

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, log: bool = False):
        self.log = log
        low, high = (math.log10(end) for end in y) if log else y
        if high - low < 1e-12 * max(abs(high), 1.0):
            low, high = low - 0.5, high + 0.5
        room = 0.04 * (high - low)
        self.y = low - room, high + room
        self.x = x if x[1] > x[0] else (x[0] - 0.5, x[1] + 0.5)

    def across(self, x: np.ndarray | float) -> np.ndarray:
        """Places of values on the x axis."""
        share = (np.asarray(x, float) - self.x[0]) / (self.x[1] - self.x[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def down(self, y: np.ndarray | float) -> np.ndarray:
        """Places of values on the y axis."""
        value = np.log10(np.asarray(y, float)) if self.log else np.asarray(y, float)
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def frame(self, x_label: str, y_label: str) -> list[str]:
        """Grid, ticks and labels."""
        base, end = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = [f'<path class="axis" d="M{LEFT} {base}H{end}"/>']
        for value in ticks(*self.x, 5):
            place = float(self.across(value))
            parts.append(
                f'<path class="axis" d="M{place:.1f} {base}v4"/>'
                f'<text x="{place:.1f}" y="{base + 18}" text-anchor="middle">'
                f"{escape(tick_text(value))}</text>"
            )
        for value in decades(*self.y) if self.log else ticks(*self.y, 5):
            height = float(self.down(value))
            parts.append(
                f'<path class="grid" d="M{LEFT} {height:.1f}H{end}"/>'
                f'<text x="{LEFT - 7}" y="{height + 4:.1f}" text-anchor="end">'
                f"{escape(tick_text(value))}</text>"
            )
        middle = (LEFT + end) / 2
        parts.append(
            f'<text x="{middle:.0f}" y="{HEIGHT - 7}" text-anchor="middle">{escape(x_label)}</text>'
        )
        if y_label:
            parts.append(
                f'<text transform="rotate(-90)" x="{-(TOP + base) / 2:.0f}" y="13" '
                f'text-anchor="middle">{escape(y_label)}</text>'
            )
        return parts


def document(title: str, parts: list[str], height: int = HEIGHT) -> str:
    """A whole chart; its title is what is read aloud."""
    name = escape(title, quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}">{"".join(parts)}</svg>'
    )


def path(x: np.ndarray, y: np.ndarray) -> str:
    """The line through places."""
    places = " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return f"M{places}"


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers between two ends.

    >>> ticks(0, 1000, 5)
    [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]
    """
    rough = (high - low) / max(count, 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * part for part in (1, 2, 2.5, 5, 10) if size * part >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(round(k * step, 12)) for k in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten between two exponents; at most six."""
    powers = range(math.ceil(low), math.floor(high) + 1)
    return [10.0**power for power in powers][:: max(1, math.ceil(len(powers) / 6))]


def tick_text(value: float) -> str:
    """A round number in few characters: `500`, `20k`, `1.5M`, `0.002`, `1e-07`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit and abs(value) < 1e12:
            return f"{value / (1e3 if unit == 'k' else limit):g}{unit}"
    return f"{value:.4g}"
