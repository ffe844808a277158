"""Progress as a picture that stays in place."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from upslope.core.number_text import curve, duration, number, rate
from upslope.engine.progress import Evaluation, Progress
from upslope.training.statistics import interquartile_mean

REFRESHES_PER_SECOND = 4
MAX_ROWS = 8  # more seeds than this are summarised
MOST_POINTS = 512
MOST_DIAGNOSTICS = 9


class LiveDisplay:
    """Phase, bar, speed, a row for each seed, their interquartile mean, the diagnostics.

    It draws from the first phase on, in a thread that costs about a hundredth of a core. On
    leaving, the last picture stays.

    Args:
      title: what runs.
      console: the terminal.
    """

    def __init__(self, title: str, console: Console | None = None):
        self.title = title
        self.console = console or Console(highlight=False)
        self._live: Live | None = None
        self._phase, self._began = "starting", time.monotonic()
        self._since = self._began
        self._progress: Progress | None = None
        self._evaluation: Evaluation | None = None
        self._returns: list[np.ndarray] = []
        self._stride, self._looks = 1, 0

    def __enter__(self) -> LiveDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def phase(self, name: str) -> None:
        """See `Reporter`."""
        self._enter(name)
        if self._live is None:
            self._live = Live(
                console=self.console,
                get_renderable=self.picture,
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=False,
            )
            self._live.start(refresh=True)

    def _enter(self, phase: str) -> None:
        self._phase, self._since = phase, time.monotonic()

    def progress(self, progress: Progress) -> None:
        """See `Reporter`."""
        self._progress = progress
        if self._looks % self._stride == 0:
            self._returns.append(progress.returns)
            if len(self._returns) > MOST_POINTS:  # every second point from now on
                self._returns = self._returns[::2]
                self._stride *= 2
        self._looks += 1

    def evaluation(self, evaluation: Evaluation) -> None:
        """See `Reporter`."""
        self._evaluation = evaluation

    def note(self, text: str) -> None:
        """See `Reporter`."""
        self.console.print(f"note: {text}", markup=False)

    def picture(self) -> Any:
        """What the terminal shows now."""
        progress = self._progress
        head = Text(self.title, style="bold", overflow="ellipsis", no_wrap=True)
        if progress is None:
            gone = duration(time.monotonic() - self._began)
            return Group(head, Text(f"{self._phase} ... {gone}", style="cyan"))
        parts = [head, self._bar(progress), self._speed(progress), Text(""), self._rows(progress)]
        shown = diagnostics_line(progress, self.console.width)
        if shown:
            parts += [Text(""), shown]
        return Group(*parts)

    def _bar(self, progress: Progress) -> Table:
        budget = progress.total_timesteps
        done = int(np.minimum(progress.steps, budget).mean())
        # The bar stands still in an evaluation: its seconds show that it goes on.
        gone = f" {duration(time.monotonic() - self._since)}"
        label = self._phase + (gone if self._phase == "evaluating" else "")
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(min_width=10, no_wrap=True)
        row.add_column(ratio=1)
        row.add_column(no_wrap=True, justify="right")
        row.add_row(
            Text(label, style="cyan"),
            ProgressBar(total=budget, completed=done),
            f"{done / budget:4.0%} of {budget:,} steps",
        )
        return row

    def _speed(self, progress: Progress) -> Text:
        gone = duration(progress.elapsed)
        left = duration(progress.remaining)
        return Text(
            f"{rate(progress.steps_per_second)} steps/s   {gone} gone   {left} left", style="dim"
        )

    def _rows(self, progress: Progress) -> Table:
        width = min(self.console.width - 46, 48)
        history = np.array(self._returns)
        known = history[np.isfinite(history)]
        low, high = (known.min(), known.max()) if known.size else (0.0, 0.0)
        evaluated = None if self._evaluation is None else self._evaluation.returns.mean(axis=1)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("seed", "steps", "return"):
            table.add_column(name, justify="right", no_wrap=True)
        if width >= 8:  # else there is no room for it
            table.add_column("history", width=width, no_wrap=True)
        table.add_column("evaluated", justify="right", no_wrap=True)

        def add(name: str, steps: str, values: np.ndarray, at: float | None, style: str) -> None:
            cells: list[Any] = [name, steps, number(values[-1])]
            if width >= 8:
                cells.append(Text(curve(values.tolist(), low, high, width), style="green"))
            table.add_row(*cells, "" if at is None else number(at), style=style)

        seeds = progress.steps.size
        if seeds <= MAX_ROWS:
            for seed in range(seeds):
                at = None if evaluated is None else float(evaluated[seed])
                add(str(seed), f"{int(progress.steps[seed]):,}", history[:, seed], at, "")
        else:
            steps = f"{int(progress.steps.min()):,}"
            for name, share in (("best", 1.0), ("median", 0.5), ("worst", 0.0)):
                values = np.array([quantile(row, share) for row in history])
                add(name, steps, values, quantile(evaluated, share), "")
        if seeds > 1:
            values = np.array([interquartile_mean(row[np.isfinite(row)]) for row in history])
            at = None if evaluated is None else interquartile_mean(evaluated)
            add("IQM", f"{seeds} seeds", values, at, "bold")
        return table


def quantile(values: np.ndarray | None, share: float) -> float:
    """A quantile of what is known; NaN if nothing is."""
    known = np.array([]) if values is None else values[np.isfinite(values)]
    return float(np.quantile(known, share)) if known.size else float("nan")


def diagnostics_line(progress: Progress, width: int) -> Text | None:
    """The method's own numbers, means over seeds, in at most two or three lines."""
    shown = []
    for name, values in progress.diagnostics.items():
        known = values[np.isfinite(values)]
        if known.size:
            mean = float(known.mean())
            whole = mean.is_integer() and abs(mean) >= 1
            shown.append(f"{name} {mean:,.0f}" if whole else f"{name} {number(mean)}")
    cells, lines = shown[:MOST_DIAGNOSTICS], [""]
    for cell in cells:
        if lines[-1] and len(lines[-1]) + 3 + len(cell) > width:
            lines.append("")
        lines[-1] += ("   " if lines[-1] else "") + cell
    return Text("\n".join(lines), style="dim") if cells else None
