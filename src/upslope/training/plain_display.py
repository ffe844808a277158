"""Progress as lines: for logs, pipes and terminals without a cursor."""

from __future__ import annotations

import sys
import time
from typing import IO

import numpy as np

from upslope.core.number_text import duration, number, rate
from upslope.engine.progress import Evaluation, Progress
from upslope.training.statistics import interquartile_mean

# A line at the latest after so many seconds, or when so much more of the budget is used.
LONGEST_SILENCE = 10.0
SHORTEST_SILENCE = 1.0
SHARE = 0.1
# Seconds of an evaluation that is announced, because the last one took as long; so is the first.
WORTH_A_LINE = 1.0


class PlainDisplay:
    """One line for each tenth of the run, and at least one every ten seconds.

    Args:
      title: what runs.
      stream: where the lines go; standard output as it is at the time.
    """

    def __init__(self, title: str, stream: IO[str] | None = None):
        self.title, self.stream = title, stream
        self._phase = ""
        self._share = 0.0
        self._time = float("-inf")
        self._began = time.monotonic()  # the phase
        self._evaluation: float | None = None  # seconds of the last one
        self._shown: int | None = None

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def phase(self, name: str) -> None:
        """See `Reporter`."""
        if not self._phase:
            self._line(self.title)
        if name != self._phase and name == "compiling":
            self._line("compiling ...")
        if name == "evaluating" and (self._evaluation is None or self._evaluation >= WORTH_A_LINE):
            self._line("evaluating ...")
        self._began, self._phase = time.monotonic(), name

    def progress(self, progress: Progress) -> None:
        """See `Reporter`."""
        budget = progress.total_timesteps
        share = float(np.minimum(progress.steps, budget).mean()) / budget
        silence = time.monotonic() - self._time
        done = share >= 1.0 and self._share < 1.0
        due = share - self._share >= SHARE and silence >= SHORTEST_SILENCE
        if not (done or due or silence >= LONGEST_SILENCE):
            return
        self._share, self._time = share, time.monotonic()
        self._line(
            f"{share:4.0%}  {int(progress.steps.min()):>10,} steps  "
            f"return {known_mean(progress.returns):>8}  "
            f"{rate(progress.steps_per_second):>6} steps/s  "
            f"left {duration(progress.remaining)}"
        )

    def evaluation(self, evaluation: Evaluation) -> None:
        """See `Reporter`."""
        self._evaluation = time.monotonic() - self._began
        means = evaluation.returns.mean(axis=1)
        by_seed = " ".join(number(mean) for mean in means)
        each = f"  by seed {by_seed}" if 2 <= means.size <= 8 else ""
        self._line(
            f"      {int(evaluation.steps.min()):>10,} steps  "
            f"evaluated {number(interquartile_mean(means)):>5}{each}"
        )

    def note(self, text: str) -> None:
        """See `Reporter`."""
        self._line(f"note: {text}")

    def _line(self, text: str) -> None:
        print(text, file=self.stream or sys.stdout, flush=True)


def known_mean(values: np.ndarray) -> str:
    """The interquartile mean of the seeds of which something is known."""
    known = values[np.isfinite(values)]
    return number(interquartile_mean(known)) if known.size else "-"
