"""Numbers in a few characters: counts, seconds, returns and small curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

BARS = "▁▂▃▄▅▆▇█"


def number(value: float) -> str:
    """At most seven characters: `12.3`, `-1,204`, `0.004`, `3.1e-05`; `-` for NaN."""
    value = float(value)
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e6:
        return f"{value:.2g}" if size < 1 else f"{value:.2e}"
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def rate(value: float) -> str:
    """Steps per second: `850`, `12.3k`, `1.24M`."""
    if not math.isfinite(value) or value <= 0:
        return "-"
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}" if value < 1000 * limit else f"{value:.2g}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """`0:42`, `12:05`, `3:01:59`, `5 d 3 h`; `-` when it is not known."""
    if not math.isfinite(seconds) or seconds < 0:
        return "-"
    whole = round(seconds)
    if whole >= 172_800:
        return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
    hours, minutes = whole // 3600, whole % 3600 // 60
    tail = f"{minutes}:{whole % 60:02d}"
    return tail if hours == 0 else f"{hours}:{minutes:02d}:{whole % 60:02d}"


def seconds(value: float) -> str:
    """`0.3 s`, `12.1 s`, `4:05 min`, `2:04:05 h`."""
    if value < 100:
        return f"{value:.1f} s"
    return f"{duration(value)} {'min' if value < 3600 else 'h'}"


def curve(values: Sequence[float], low: float, high: float, width: int) -> str:
    """A row of bars from `low` to `high`, the newest at the right; NaN is a blank."""
    if len(values) > width:  # the mean of each of `width` stretches
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [_mean(values[a:b]) for a, b in pairwise(edges)]
    span = high - low
    shown: list[str] = []
    for value in values:
        if not math.isfinite(value):
            shown.append(" ")
        else:
            share = (value - low) / span if span > 0 else 0.5
            shown.append(BARS[min(max(int(share * len(BARS)), 0), len(BARS) - 1)])
    return "".join(shown)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan
