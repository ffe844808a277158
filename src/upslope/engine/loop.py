"""The one loop: advance, look, evaluate, save."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from upslope.core.records import Returns
from upslope.engine.finite_checks import check_finite, check_returns
from upslope.engine.history import History
from upslope.engine.jax_program import MAX_CHUNK, Records
from upslope.engine.progress import Evaluation, Reporter, Silent, Times

# How long the host stays away, seconds.
PROGRESS_INTERVAL = 0.3


class Program(Protocol):
    """What runs S seeds side by side: compiled (`JaxProgram`) or on simulators."""

    seeds: int
    compile_seconds: float
    block: int  # episodes that an evaluation runs at a time

    def compile(self, block: int, deterministic: bool = True) -> None:
        """Gets everything ready, for evaluations of `block` episodes at a time, of that kind."""

    def start(self) -> Any:
        """All seeds before their first iteration."""

    def advance(self, carry: Any, wanted: np.ndarray, count: int) -> tuple[Any, Records]:
        """Up to `count` iterations; each seed stops when it has taken the `wanted` steps."""
        ...

    def solutions(self, carry: Any) -> Any:
        """The policies to keep, leaves [S, ...]."""

    def evaluate(
        self, policies: Any, episodes: int, evaluation_index: int, deterministic: bool = True
    ) -> Returns:
        """Held-out returns [S, E]."""
        ...

    def shapes(self) -> Any:
        """The shapes and types of a carry, for reading a checkpoint."""

    def place(self, carry: Any) -> Any:
        """A carry read from a checkpoint, put where the program wants it."""

    def start_fresh_episodes(self, carry: Any, border: int) -> Any:
        """Makes a checkpoint here an exact border, for worlds whose state cannot be saved."""

    def close(self) -> None:
        """Ends what the program has started."""


class Plan(NamedTuple):
    """How far and how often.

    Attributes:
      total_timesteps: environment steps of each seed; it stops at its first iteration that
        reaches them.
      evaluations: how often the solutions are evaluated on the way, the end included.
      evaluation_episodes: held-out episodes each time.
      final_episodes: held-out episodes at the end.
      deterministic_evaluation: they act by the mode of the policy, not by a draw from it.
    """

    total_timesteps: int
    evaluations: int = 10
    evaluation_episodes: int = 20
    final_episodes: int = 100
    deterministic_evaluation: bool = True

    @property
    def block(self) -> int:
        """How many episodes an evaluation runs at a time."""
        return min(self.evaluation_episodes, self.final_episodes)

    def targets(self) -> np.ndarray:
        """The step counts at which the solutions are evaluated, [K]."""
        share = np.arange(1, self.evaluations + 1) / max(self.evaluations, 1)
        return np.unique(np.ceil(share * self.total_timesteps).astype(np.int64))


class Cursor(NamedTuple):
    """Where a run stands: everything a checkpoint holds."""

    carry: Any  # of the program, leaves [S, ...]
    steps: np.ndarray  # [S] int64
    evaluated: int  # how many of the plan's targets are behind


class Hooks(NamedTuple):
    """What the loop does besides searching; every part may be left out."""

    reporter: Reporter = Silent()
    record: Callable[[History, int], None] | None = None  # rows since an index were added
    save: Callable[[Cursor], None] | None = None  # a checkpoint is due
    stopping: Callable[[], bool] = lambda: False  # somebody wants the run to end


def search(
    program: Program,
    plan: Plan,
    history: History,
    times: Times,
    watch: Hooks | None = None,
    position: Cursor | None = None,
) -> tuple[Cursor, bool]:
    """Runs all seeds to the end of the plan, or until somebody wants it to stop.

    Args:
      program: compiled.
      plan: how far and how often.
      history: rows are added to it.
      times: seconds are added to it.
      watch: who looks on.
      position: where to go on; None to start.

    Returns:
      Where the run stands, and whether the plan is done.

    Raises:
      NumericalError: a NaN or an infinity appeared; nothing was saved since the iteration before
        it, and the message names the seed, the environment and the step.
    """
    watch = watch or Hooks()
    if position is None:
        position = Cursor(program.start(), np.zeros(program.seeds, np.int64), 0)
    else:
        carry = program.start_fresh_episodes(
            program.place(position.carry), int(position.steps.max())
        )
        position = position._replace(carry=carry)
    targets = plan.targets()
    carry, steps = position.carry, position.steps.copy()
    # Seconds per iteration are unknown at first: look early, then aim for PROGRESS_INTERVAL.
    pace, began = ChunkSizer(), time.perf_counter()
    watch.reporter.phase("searching")
    for evaluated in range(position.evaluated, len(targets)):
        target = targets[evaluated]
        while np.any(steps < target):
            if watch.stopping():
                return Cursor(carry, steps, evaluated), False
            moment, compiled = time.perf_counter(), program.compile_seconds
            carry, records = program.advance(carry, target - steps, pace.count)
            spent = time.perf_counter() - moment - (program.compile_seconds - compiled)
            times.search += spent
            before, earlier = history.rows, steps
            steps = history.add(records, earlier)
            taken = int(np.sum(steps - earlier))
            pace.note(records.active.any(axis=1).sum(), taken, spent)
            if watch.record is not None:
                watch.record(history, before)
            check_finite(records, steps)
            left = float(np.sum(np.maximum(plan.total_timesteps - steps, 0)))
            watch.reporter.progress(
                history.look(
                    steps,
                    plan.total_timesteps,
                    time.perf_counter() - began,
                    pace.steps_per_second,
                    left / max(pace.steps_per_second, 1e-9),
                )
            )
        last = evaluated + 1 == len(targets)
        moment, compiled = time.perf_counter(), program.compile_seconds
        if not last:
            evaluate_solutions(
                program,
                carry,
                steps,
                plan.evaluation_episodes,
                evaluated,
                history,
                watch,
                deterministic=plan.deterministic_evaluation,
            )
            watch.reporter.phase("searching")
        waited = program.compile_seconds - compiled
        times.evaluation += time.perf_counter() - moment - waited
        carry = program.start_fresh_episodes(carry, int(steps.max()))
        position = Cursor(carry, steps, evaluated + 1)
        if watch.save is not None and not last:
            watch.save(position)
    return Cursor(carry, steps, len(targets)), True


def evaluate_solutions(
    program: Program,
    carry: Any,
    steps: np.ndarray,
    episodes: int,
    evaluation_index: int,
    history: History,
    watch: Hooks,
    *,
    deterministic: bool = True,
) -> Evaluation:
    """Evaluates every seed's solution on held-out episodes, and adds that to the history.

    Raises:
      NumericalError: an episode's return is NaN or infinite; nothing is added.
    """
    watch.reporter.phase("evaluating")
    returns = program.evaluate(program.solutions(carry), episodes, evaluation_index, deterministic)
    evaluation = Evaluation(
        steps.copy(), np.asarray(returns.returns, float), np.asarray(returns.lengths)
    )
    check_returns(evaluation)
    history.evaluations.append(evaluation)
    watch.reporter.evaluation(evaluation)
    return evaluation


class ChunkSizer:
    """How many iterations to do before looking again."""

    def __init__(self) -> None:
        self.count = 1
        self.steps_per_second = 0.0

    def note(self, iterations: int, steps: int, seconds: float) -> None:
        """Learns from the last call; aims at `PROGRESS_INTERVAL` and grows at most eightfold at once."""
        speed = steps / max(seconds, 1e-9)
        known = self.steps_per_second
        self.steps_per_second = speed if known == 0 else 0.7 * known + 0.3 * speed
        fitting = PROGRESS_INTERVAL * iterations / max(seconds, 1e-9)
        self.count = int(np.clip(fitting, 1, min(8 * self.count, MAX_CHUNK)))
