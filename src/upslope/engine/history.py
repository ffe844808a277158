"""Learning curves: rows per seed, each the mean of one or several iterations."""

from __future__ import annotations

from typing import Any

import numpy as np

from upslope.engine.progress import Evaluation, Progress
from upslope.engine.rows import BEST, Records

KEYS = ("seed", "iteration", "steps")
# Begins the names of columns of what simulators put in `info`.
INFO = "info/"
# Columns in the logs of earlier versions, and what they are called now.
EARLIER_NAMES = {"broken": "nonfinite_share"}


class History:
    """Everything that was logged in a run, as columns that grow.

    Attributes:
      columns: name to values, one entry per row: `seed, iteration, steps, return, length,
        episodes`, the method's diagnostics, and `info/NAME` of what simulators told.
      evaluations: of the solutions, in order.
      iterations: [S], how many of each seed's are in the rows; None before the first row.
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {}
        self.evaluations: list[Evaluation] = []
        self.rows = 0
        self.iterations: np.ndarray | None = None
        self._latest: dict[str, np.ndarray] = {}

    def add(self, records: Records, steps: np.ndarray) -> np.ndarray:
        """Adds the rows of one call of `advance`; returns the steps [S] each seed has taken now."""
        statistics = records.statistics
        values = {
            "return": np.asarray(statistics.returns, float),
            "length": np.asarray(statistics.lengths, float),
            "episodes": np.asarray(statistics.episodes),
        } | {
            name: np.asarray(getattr(records.diagnostics, name), float)
            for name in records.diagnostics._fields
        }
        infos: dict[str, np.ndarray] = dict(records.infos)
        values |= {f"{INFO}{name}": value for name, value in infos.items()}
        seeds = steps.size
        if self.iterations is None:
            self.iterations = np.zeros(seeds, np.int64)
        for name in values:
            self._latest.setdefault(name, np.full(seeds, np.nan))
        steps = steps.copy()
        taken, iterations = np.asarray(statistics.steps), np.asarray(records.iterations)
        for k in range(iterations.shape[0]):
            if not iterations[k].any():
                break
            for seed in np.flatnonzero(iterations[k]):
                steps[seed] += taken[k, seed]
                self.iterations[seed] += iterations[k, seed]
                row = {
                    "seed": int(seed),
                    "iteration": int(self.iterations[seed]),
                    "steps": int(steps[seed]),
                }
                for name, value in values.items():
                    row[name] = value[k, seed].item()
                    if not np.isnan(value[k, seed]):
                        self._latest[name][seed] = value[k, seed]
                self.append(row)
        return steps

    def append(self, row: dict[str, Any]) -> None:
        """Adds one row; what it or the rows before it lack is NaN."""
        for name in [name for name in row if name not in self.columns]:
            self.columns[name] = [np.nan] * self.rows
        for name, column in self.columns.items():
            column.append(row.get(name, np.nan))
        self.rows += 1
        if self.iterations is not None:
            self.iterations[row["seed"]] = row["iteration"]

    def row(self, index: int) -> dict[str, Any]:
        """One row by name."""
        return {name: column[index] for name, column in self.columns.items()}

    def restore(self, rows: list[dict[str, Any]], iterations: np.ndarray) -> None:
        """Takes up the rows of an earlier process.

        Args:
          rows: as they were logged; some may have been lost.
          iterations: [S], how many of each seed's are in the rows; they are numbered from there.
        """
        seeds = iterations.size
        self.iterations = np.zeros(seeds, np.int64)
        rows = [{EARLIER_NAMES.get(k, k): v for k, v in row.items()} for row in rows]
        names = list(dict.fromkeys(name for row in rows for name in row if name not in KEYS))
        self._latest = {name: np.full(seeds, np.nan) for name in names}
        for saved in rows:
            row: dict[str, Any] = {k: np.nan if v is None else v for k, v in saved.items()}
            for name in names:
                if not np.isnan(row.get(name, np.nan)):
                    self._latest[name][row["seed"]] = row[name]
            self.append(row)
        self.iterations = iterations.astype(np.int64)

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns as arrays."""
        return {name: np.asarray(column) for name, column in self.columns.items()}

    def best_seen(self) -> np.ndarray | None:
        """The best return of a candidate of each seed [S]; None where no candidates were tried."""
        columns = self.arrays()
        name = next((name for name in BEST if name in columns), None)
        if name is None:
            return None
        seeds = [columns[name][columns["seed"] == seed] for seed in np.unique(columns["seed"])]
        known = [seed[np.isfinite(seed)] for seed in seeds]
        return np.asarray([part.max() if part.size else np.nan for part in known])

    def curve(self, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of one column for one seed."""
        columns = self.arrays()
        mine = columns["seed"] == seed
        return columns["steps"][mine], columns[name][mine]

    def episode_curve(self, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Number (from 1) and `"length"` or `"return"` of each training episode of one seed.

        A row of the log in which several episodes ended gives each of them their mean. Where rows
        are shorter than episodes (see `iterations_per_row`), each has its own.
        """
        columns = self.arrays()
        mine = columns["seed"] == seed
        ended = columns["episodes"][mine].astype(int)
        values = np.repeat(columns[name][mine], ended)
        return np.arange(1, values.size + 1), values

    def latest(self) -> dict[str, np.ndarray]:
        """The latest value [S] of each column but the keys; NaN where a seed has none yet."""
        return {name: value.copy() for name, value in self._latest.items()}

    def look(
        self,
        steps: np.ndarray,
        total_timesteps: int,
        elapsed: float,
        steps_per_second: float,
        remaining: float,
    ) -> Progress:
        """The latest of everything."""
        assert self.iterations is not None
        diagnostics = {
            name: value.copy()
            for name, value in self._latest.items()
            if name not in ("return", "length", "episodes")
        }
        return Progress(
            steps=steps.copy(),
            total_timesteps=total_timesteps,
            iterations=self.iterations.copy(),
            returns=self._latest["return"].copy(),
            lengths=self._latest["length"].copy(),
            diagnostics=diagnostics,
            elapsed=elapsed,
            steps_per_second=steps_per_second,
            remaining=remaining,
        )
