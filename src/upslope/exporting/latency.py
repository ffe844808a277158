"""How long one call takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

BLOCKS, SECONDS = 7, 0.15


def seconds_per_call(call: Callable[[], object]) -> float:
    """The median over blocks of calls, after a warm-up; about a sixth of a second in all."""
    call()
    began = time.perf_counter()
    call()
    once = max(time.perf_counter() - began, 1e-7)
    repeats = max(1, min(2000, int(SECONDS / BLOCKS / once)))
    blocks = []
    for _ in range(BLOCKS):
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        blocks.append((time.perf_counter() - began) / repeats)
    return statistics.median(blocks)


def duration_text(seconds: float) -> str:
    """Seconds as people read them: `12 µs`, `3.4 ms`."""
    if seconds < 1e-3:
        return f"{1e6 * seconds:.3g} µs"
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
