"""What a run tells while it runs, and whom it tells."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Progress:
    """A look at a running search.

    Attributes:
      steps: [S] environment steps each seed has taken.
      total_timesteps: the budget of each seed.
      iterations: [S] done.
      returns: [S] latest mean undiscounted return of training episodes; NaN before the first.
      lengths: [S] latest mean episode length.
      diagnostics: latest value [S] of each of the method's diagnostics.
      elapsed: seconds of search so far (in this process).
      steps_per_second: of all seeds together, over the last moments.
      remaining: seconds left by that speed.
    """

    steps: np.ndarray
    total_timesteps: int
    iterations: np.ndarray
    returns: np.ndarray
    lengths: np.ndarray
    diagnostics: dict[str, np.ndarray]
    elapsed: float
    steps_per_second: float
    remaining: float


@dataclass(repr=False)
class Evaluation:
    """Held-out episodes of every seed's solution at one moment.

    Attributes:
      steps: [S] environment steps the seeds had taken.
      returns: [S, E] undiscounted.
      lengths: [S, E].
      model_steps: steps that planners simulated for them, none of which is counted in `steps`.
    """

    steps: np.ndarray
    returns: np.ndarray
    lengths: np.ndarray
    model_steps: int = 0

    def __repr__(self) -> str:
        seeds, episodes = self.returns.shape
        means = [f"{mean:.1f}" for mean in self.returns.mean(axis=1)]
        shown = ", ".join(means if seeds <= 10 else [*means[:9], f"... ({seeds} seeds)"])
        taken = f", {self.steps.mean():,.0f} steps each" if np.any(self.steps) else ""
        return (
            f"Evaluation({seeds} {'seed' if seeds == 1 else 'seeds'} x {episodes} episodes: "
            f"returns {shown}; mean length {self.lengths.mean():.1f}{taken})"
        )


@dataclass
class Times:
    """Where the wall time went, seconds. Every moment is in one account only.

    Attributes:
      imports: of modules, before the run, and reading its settings.
      compile: programs, whenever they are compiled.
      search: ask, sample and tell.
      evaluation: held-out episodes.
      bookkeeping: logs, checkpoints, displays.
    """

    imports: float = 0.0
    compile: float = 0.0
    search: float = 0.0
    evaluation: float = 0.0
    bookkeeping: float = 0.0

    def total(self) -> float:
        """All of it."""
        return self.imports + self.compile + self.search + self.evaluation + self.bookkeeping

    @contextlib.contextmanager
    def spent_on(self, account: str, compiling: Callable[[], float] = float) -> Iterator[None]:
        """Adds the time of a block to an account, less what was compiled meanwhile.

        Args:
          account: the name of an attribute.
          compiling: seconds of compilation so far; their increase goes to `compile`.
        """
        began, compiled = time.perf_counter(), compiling()
        try:
            yield
        finally:
            waited = compiling() - compiled
            spent = time.perf_counter() - began - waited
            setattr(self, account, getattr(self, account) + spent)
            self.compile += waited


@dataclass
class Summary:
    """How a run ended.

    Attributes:
      reason: `"done"`, or what ended it before its budget: `"stop_at"`, `"patience"`, `"callback"`.
        A line of `notes` says it in words.
      steps: [S] environment steps taken.
      final: the last evaluation of every seed, None if it was stopped before.
      times: where the time went.
      folder: of the run, None if nothing was written.
      notes: lines of advice.
      best_seen: [S] the best return of a candidate while searching, which is luck besides; None
        for methods that try no candidates, or under another objective than the return.
    """

    reason: str
    steps: np.ndarray
    final: Evaluation | None
    times: Times
    folder: Any = None
    notes: list[str] = field(default_factory=list)
    best_seen: np.ndarray | None = None


class Reporter(Protocol):
    """Somebody who wants to know: a live display, a log, a recorder."""

    def phase(self, name: str) -> None:
        """The run now does this: `"compiling"`, `"searching"`, `"evaluating"`."""

    def progress(self, progress: Progress) -> None:
        """Another moment of search has passed."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """The solutions of all seeds have been evaluated."""

    def note(self, text: str) -> None:
        """Something the user should know."""


class Silent:
    """Tells nobody."""

    def phase(self, name: str) -> None:
        """See `Reporter`."""

    def progress(self, progress: Progress) -> None:
        """See `Reporter`."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """See `Reporter`."""

    def note(self, text: str) -> None:
        """See `Reporter`."""
