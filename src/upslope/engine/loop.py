"""The one loop: advance, look, evaluate, save."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from upslope.core.actor import Actor
from upslope.core.records import Returns
from upslope.engine.devices import DeviceLayout
from upslope.engine.evaluation_size import ON_THE_WAY, evaluation_size, needs_pilot
from upslope.engine.evaluator import EVALUATION_LIMIT
from upslope.engine.finite_checks import check_finite, check_returns
from upslope.engine.history import History
from upslope.engine.progress import Evaluation, Reporter, Silent, Times
from upslope.engine.rows import Records
from upslope.engine.stopping import Ending

# How long the host stays away, seconds.
PROGRESS_INTERVAL = 0.3
# Where one iteration takes longer, a signal does not wait for its end.
LONG_ITERATION = 0.5
# Iterations of one call, at most.
MAX_ITERATIONS = 1 << 20
# Episodes that run at a time, where their steps are bounded, at least.
SMALLEST_BLOCK = 4

# All that the seeds of a program need to go on: its own class, leaves [S, ...].
C = TypeVar("C")


class Program(Protocol[C]):
    """What runs S seeds side by side: compiled (`JaxProgram`) or on simulators."""

    seeds: int
    layout: DeviceLayout

    @property
    def compile_seconds(self) -> float:
        """Spent on compiling so far."""
        ...

    def compile(self, block: int, deterministic: bool = True) -> None:
        """Gets everything ready, for evaluations of `block` episodes at a time, of that kind."""

    def start(self) -> C:
        """All seeds before their first iteration."""
        ...

    def advance(self, carry: C, wanted: np.ndarray, count: int) -> tuple[C, Records | None]:
        """Up to `count` iterations; each seed stops when it has taken the `wanted` steps.

        What happened is None where no row of the log has ended.
        """
        ...

    def solutions(self, carry: C) -> Actor:
        """The policies to keep, leaves [S, ...]."""
        ...

    def evaluate(
        self, policies: Actor, episodes: int, evaluation_index: int, deterministic: bool = True
    ) -> Returns:
        """Held-out returns [S, E]."""
        ...

    def held(self, carry: C) -> C | None:
        """A checkpoint that the iteration after it does not touch, so that it can be left.

        None where that cannot be, or costs more than it is worth.
        """
        ...

    def pending_steps(self, carry: C) -> np.ndarray:
        """Steps [S] in the row of the log under way: taken, and not yet in what happened."""
        ...

    def stops(self, carry: C) -> np.ndarray:
        """Codes [S] of why a seed's search cannot be expected to move any more; 0 while it can."""
        ...

    def shapes(self) -> C:
        """The shapes and types of a carry, for reading a checkpoint."""
        ...

    def place(self, carry: C) -> C:
        """A carry read from a checkpoint, put where the program wants it."""
        ...

    def checkpoint(self, carry: C) -> C:
        """All that going on from here needs; `place` brings it back. It changes no number."""
        ...

    @property
    def irreproducible(self) -> str:
        """Why the same seed may give other numbers another time; empty where it does not."""
        ...

    def close(self) -> None:
        """Ends what the program has started."""


class RunSchedule(NamedTuple):
    """How far and how often.

    Attributes:
      total_timesteps: environment steps of each seed; it stops at its first iteration that
        reaches them.
      evaluations: how often the solutions are evaluated on the way, the end included.
      evaluation_episodes: held-out episodes each time.
      final_episodes: held-out episodes at the end.
      deterministic_evaluation: they act by the mode of the policy, not by a draw from it.
      evaluation_share: the episodes are so many at most, and as few as keep the steps of all
        evaluations within this share of the search's; None: exactly so many.
      evaluation_limit: steps after which a held-out episode ends at the latest.
      checkpoint_every: seconds between checkpoints, besides those at evaluations.
    """

    total_timesteps: int
    evaluations: int = 10
    evaluation_episodes: int = 20
    final_episodes: int = 100
    deterministic_evaluation: bool = True
    evaluation_share: float | None = None
    evaluation_limit: int = EVALUATION_LIMIT
    checkpoint_every: float = 60.0

    @property
    def block(self) -> int:
        """How many episodes of each seed an evaluation runs at a time.

        Where their steps are bounded, about as many as an evaluation can afford of the longest.
        """
        most = min(self.evaluation_episodes, self.final_episodes)
        if self.evaluation_share is None:
            return most
        steps = self.evaluation_share * ON_THE_WAY * self.total_timesteps / self.evaluations
        return int(np.clip(steps // self.evaluation_limit, min(SMALLEST_BLOCK, most), most))

    def targets(self) -> np.ndarray:
        """The step counts at which the solutions are evaluated, [K]."""
        share = np.arange(1, self.evaluations + 1) / max(self.evaluations, 1)
        return np.unique(np.ceil(share * self.total_timesteps).astype(np.int64))


class Cursor(NamedTuple, Generic[C]):
    """Where a run stands: everything a checkpoint holds."""

    carry: C  # of the program, leaves [S, ...]
    steps: np.ndarray  # [S] int64
    evaluated: int  # how many of the schedule's targets are behind
    ending: Ending | None = None  # what the last evaluation has decided


class Interrupted(KeyboardInterrupt):
    """Somebody wants the run to end, and what is under way is left: it is done again."""


class Hooks(NamedTuple):
    """What the loop does besides searching; every part may be left out."""

    reporter: Reporter = Silent()
    record: Callable[[History, int], None] | None = None  # rows since an index were added
    save: Callable[[Cursor[Any]], None] | None = None  # a checkpoint is due
    stopping: Callable[[], bool] = lambda: False  # somebody wants the run to be interrupted
    decide: Callable[[History], Ending | None] = lambda history: None  # after an evaluation
    # Within it that raises Interrupted at once, instead of waiting to be asked.
    interruptible: Callable[[], AbstractContextManager[None]] = nullcontext


def search(
    program: Program[C],
    schedule: RunSchedule,
    history: History,
    times: Times,
    hooks: Hooks | None = None,
    position: Cursor[C] | None = None,
) -> tuple[Cursor[C], bool]:
    """Runs all seeds to the end of the schedule, or until somebody wants it to stop.

    Args:
      program: compiled.
      schedule: how far and how often.
      history: rows are added to it.
      times: seconds are added to it.
      hooks: who looks on.
      position: where to go on; None to start.

    Returns:
      Where the run stands, and whether the search is done: by the schedule, or by what an
      evaluation has decided (`Cursor.ending`).

    Raises:
      NumericalError: a NaN or an infinity appeared; nothing was saved since the iteration before
        it, and the message names the seed, the environment and the step.
    """
    hooks = hooks or Hooks()
    if position is None:
        position = Cursor(program.start(), np.zeros(program.seeds, np.int64), 0)
    else:
        position = position._replace(carry=program.place(position.carry))
    targets = schedule.targets()
    carry, steps = position.carry, position.steps.copy()
    # Seconds per iteration are unknown at first: look early, then aim for PROGRESS_INTERVAL.
    sizer, began = ChunkSizer(), time.perf_counter()
    saved = began
    hooks.reporter.phase("searching")

    def compiling() -> float:
        return program.compile_seconds

    if position.ending is not None:
        return position._replace(carry=program.checkpoint(carry)), True
    stops = program.stops(carry)
    for evaluated in range(position.evaluated, len(targets)):
        target = targets[evaluated]
        while np.any((steps < target) & (stops == 0)):
            if hooks.stopping():
                return Cursor(program.checkpoint(carry), steps, evaluated), False
            held = program.held(carry) if sizer.long else None
            moment, compiled = time.perf_counter(), compiling()
            wanted = target - steps - program.pending_steps(carry)
            try:
                with (
                    times.spent_on("search", compiling),
                    nullcontext() if held is None else hooks.interruptible(),
                ):
                    carry, records = program.advance(carry, wanted, sizer.count)
                    stops = program.stops(carry)
            except Interrupted:
                assert held is not None
                return Cursor(held, steps, evaluated), False
            spent = time.perf_counter() - moment - (compiling() - compiled)
            with times.spent_on("bookkeeping"):
                sizer.note(spent)
                if records is not None:
                    before, earlier = history.rows, steps
                    steps = history.add(records, earlier)
                    sizer.note_steps(int(np.sum(steps - earlier)), spent)
                    if hooks.record is not None:
                        hooks.record(history, before)
                    check_finite(records, steps)
                left = float(np.sum(np.maximum(schedule.total_timesteps - steps, 0)))
                if history.rows:
                    hooks.reporter.progress(
                        history.look(
                            steps,
                            schedule.total_timesteps,
                            time.perf_counter() - began,
                            sizer.steps_per_second,
                            left / max(sizer.steps_per_second, 1e-9),
                        )
                    )
                due = time.perf_counter() - saved >= schedule.checkpoint_every
                if due and hooks.save is not None:
                    hooks.save(Cursor(program.checkpoint(carry), steps, evaluated))
                    saved = time.perf_counter()
        last = evaluated + 1 == len(targets)
        # One evaluation per policy: where the next one is due at once, it is of the same policy.
        waits = not last and not np.all((steps >= targets[evaluated + 1]) | (stops != 0))
        if waits:
            try:
                with times.spent_on("evaluation", compiling):
                    evaluate_solutions(
                        program,
                        carry,
                        steps,
                        schedule,
                        evaluated,
                        history,
                        hooks,
                    )
            except Interrupted:
                return Cursor(program.checkpoint(carry), steps, evaluated), False
            with times.spent_on("bookkeeping"):
                ending = hooks.decide(history)
                here = Cursor(carry, steps, evaluated + 1, ending)
                if hooks.save is not None:
                    hooks.save(here._replace(carry=program.checkpoint(carry)))
            saved = time.perf_counter()
            if ending is not None:
                return here._replace(carry=program.checkpoint(carry)), True
            hooks.reporter.phase("searching")
    return Cursor(program.checkpoint(carry), steps, len(targets)), True


def evaluate_solutions(
    program: Program[C],
    carry: C,
    steps: np.ndarray,
    schedule: RunSchedule,
    evaluation_index: int,
    history: History,
    hooks: Hooks,
    *,
    final: bool = False,
) -> Evaluation:
    """Evaluates every seed's solution on held-out episodes, and adds that to the history.

    Args:
      program: compiled.
      carry: of the seeds.
      steps: [S], taken by each.
      schedule: how many episodes, and how they act.
      evaluation_index: numbers the evaluation.
      history: of the run so far.
      hooks: who looks on.
      final: whether it is the evaluation after the last step.

    Raises:
      NumericalError: an episode's return is NaN or infinite; nothing is added.
      Interrupted: somebody wants the run to end; nothing is added.
    """
    hooks.reporter.phase("evaluating")
    policies = program.solutions(carry)
    deterministic = schedule.deterministic_evaluation
    pilot = None
    with hooks.interruptible():
        if needs_pilot(schedule, history, final=final):
            first = program.evaluate(policies, 1, evaluation_index - 1, deterministic)
            pilot = np.asarray(first.lengths)
        episodes = evaluation_size(schedule, history, steps, final=final, pilot=pilot)
        returns = program.evaluate(policies, episodes, evaluation_index, deterministic)
    evaluation = Evaluation(
        steps.copy(), np.asarray(returns.returns, float), np.asarray(returns.lengths)
    )
    check_returns(evaluation)
    history.evaluations.append(evaluation)
    hooks.reporter.evaluation(evaluation)
    return evaluation


class ChunkSizer:
    """How many iterations to do before looking again."""

    def __init__(self) -> None:
        self.count = 1
        self.steps_per_second = 0.0
        self._last = float("inf")  # seconds of the last call; unknown at first

    @property
    def long(self) -> bool:
        """Whether the next call is one iteration that may take longer than somebody waits."""
        return self.count == 1 and self._last > LONG_ITERATION

    def note(self, seconds: float) -> None:
        """Learns how long the last call took; grows at most eightfold at once."""
        self._last = seconds
        factor = PROGRESS_INTERVAL / max(seconds, 1e-9)
        self.count = int(np.clip(self.count * min(factor, 8.0), 1, MAX_ITERATIONS))

    def note_steps(self, steps: int, seconds: float) -> None:
        """Learns the speed: a running mean of the last calls that ended a row."""
        speed = steps / max(seconds, 1e-9)
        known = self.steps_per_second
        self.steps_per_second = speed if known == 0 else 0.7 * known + 0.3 * speed
