"""Simulator processes: watched, replaced when they fail, and their work redone exactly."""

from __future__ import annotations

import itertools
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
import weakref
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

import numpy as np

from upslope.core.checks import EnvironmentContractError, WorkerError
from upslope.sampling.simulators.action_log import ActionLog
from upslope.sampling.simulators.factories import CannotTravel
from upslope.sampling.simulators.info_means import EpisodeMeans
from upslope.sampling.simulators.simulator_process import (
    BOOTSTRAP,
    CLOSE,
    MODULES,
    NUMBER_BYTES,
    STEP_ALL,
    numbered,
)
from upslope.sampling.simulators.step_buffer import SKIP, BufferLayout, Leaves, SharedBuffer, copies
from upslope.sampling.simulators.watch import Remark

RAISED = "raised: "  # begins the reason where a process is well and its simulator is not
START_DEADLINE = 120.0  # seconds for a new process to import Gymnasium and build its simulators


class Worker:
    """One simulator process and the rows of the buffer it serves.

    Attributes:
      asked: the number of the last command that it was given; the building of its simulators is 0.
      answered: the number of the last command that it answered, -1 for none.
    """

    def __init__(
        self,
        index: int,
        rows: tuple[int, int],
        task: dict[str, Any],
        factory: bytes,
        memory: int,
    ):
        self.index, self.rows = index, rows
        self.asked, self.answered = 0, -1
        self.pipe, theirs = Pipe()
        environment = dict(os.environ)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment.setdefault(name, "1")
        root = str(Path(__file__).resolve().parents[2])
        descriptor = theirs.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", BOOTSTRAP, root]
            + [str(number) for number in (descriptor, memory, os.getpid())],
            pass_fds=[descriptor, memory],
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        theirs.close()
        self._send(json.dumps({**task, "rows": rows}).encode())
        self._send(factory)

    def ask(self, command: bytes) -> None:
        """Sends a command; a dead process shows when its answer is awaited."""
        self.asked += 1
        self._send(command + numbered(self.asked))

    def receive(self) -> bytes | None:
        """The report of the last command, empty when it is done; None while an older one came.

        Raises:
          EOFError, OSError: the process is gone.
        """
        answer = self.pipe.recv_bytes()
        self.answered = int.from_bytes(answer[:NUMBER_BYTES], "little")
        return answer[NUMBER_BYTES:] if self.answered == self.asked else None

    def _send(self, message: bytes) -> None:
        try:
            self.pipe.send_bytes(message)
        except OSError:
            return

    def end(self) -> None:
        """Kills the process and waits until it is gone."""
        stop(self.process, self.pipe)


def stop(process: subprocess.Popen, pipe: Connection) -> None:
    """Kills a process of ours and releases what it held."""
    pipe.close()
    process.kill()
    process.wait()


class WorkerPool:
    """Simulators in W processes, behind the interface of `Simulators`.

    A process that raises, dies or does not answer within the deadline is replaced. Its simulators
    are brought back to where they were by replaying their current episodes from the same seeds
    with the same actions; then the command is given again. The result is that of an undisturbed
    run, for simulators that are reproducible from their seeds; for others the replay differs from
    what was seen before, and that is an error.

    Args:
      factory: builds one simulator, as `serialize_factory` packs it.
      layout: of the buffer of all simulators.
      name: of the environment.
      path: where the processes look for modules.
      workers: W.
      autoreset: whether an episode's end starts the next one.
      limit: after how many steps an episode is truncated, besides the environment's own limit.
      deadline: seconds a process may take for one step of its simulators.
      max_restarts: how many processes one call may replace.

    Attributes:
      buffer: commands and results, in memory shared with the processes.
      log: of the episodes under way.
      restarts: processes replaced so far.
      remarks: what was seen of the simulators.

    Raises:
      CannotTravel: the processes cannot build what this one can, and why.
      WorkerError: more than `max_restarts` replacements in one call of the sampler, or a replay
        that differs.
      EnvironmentContractError: a simulator broke its contract; another try would not help.
    """

    def __init__(
        self,
        factory: bytes,
        layout: BufferLayout,
        *,
        name: str,
        path: list[str],
        workers: int,
        autoreset: bool,
        limit: int | None,
        deadline: float,
        max_restarts: int = 3,
    ):
        self.name, self.deadline, self.max_restarts = name, deadline, max_restarts
        self.restarts = self._restarts_now = 0
        self.remarks: list[Remark] = []
        self._infos: list[EpisodeMeans] = []
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as the pool
        self._file.truncate(max(layout.size(), 1))
        self.buffer = layout.buffer(mmap.mmap(self._file.fileno(), max(layout.size(), 1)))
        self._factory = factory
        self._built = False  # whether all of the first processes have their simulators
        self._task = {
            "layout": list(layout),
            "name": name,
            "autoreset": autoreset,
            "limit": limit,
            "path": path,
        }
        self.log = ActionLog(layout, autoreset)
        self._seen = copies(self.buffer.observation)
        self._workers: list[Worker] = []
        # Ends the processes when the pool is collected, and when the program exits.
        self._finalizer = weakref.finalize(self, _end_all, self._workers, self._file)
        borders = np.linspace(0, layout.count, workers + 1).round().astype(int).tolist()
        for index, rows in enumerate(itertools.pairwise(borders)):
            self._workers.append(self._start(index, rows))
        for worker, reason in self._answers(self._workers, START_DEADLINE).items():
            self._recover(worker, reason, redo=False)
        self._built = True

    def reset_counters(self) -> None:
        """A new call of the sampler: replacements are counted from zero again.

        Where the last call was interrupted, processes may still be at a command of it; they come
        to its end before the buffer is written again.
        """
        self._restarts_now = 0
        late = [worker for worker in self._workers if worker.answered != worker.asked]
        for worker, reason in self._answers(late, self.deadline).items():
            self._recover(worker, reason, redo=False)

    def step_all(self) -> None:
        """Steps, resets or skips every simulator and writes what came of it into the buffer."""
        buffer = self.buffer
        if not self._finalizer.alive:
            raise WorkerError(f"The simulator processes of {self.name} are closed.")
        # Taken before the processes run: what they write must not be mistaken for commands.
        command, seed, action = buffer.command.copy(), buffer.seed.copy(), buffer.action.copy()
        busy = [w for w in self._workers if (command[slice(*w.rows)] != SKIP).any()]
        for worker in busy:
            worker.ask(STEP_ALL)
        for worker, reason in self._answers(busy, self.deadline).items():
            self._recover(worker, reason, redo=True)
        self.log.record(command, seed, action, buffer.terminated | buffer.truncated)
        self._seen = copies(buffer.observation)

    def take_infos(self) -> list[EpisodeMeans]:
        """What `info` held in the episodes that have ended since the last call, by row."""
        infos, self._infos = self._infos, []
        return infos

    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.process.pid for worker in self._workers]

    def modules(self, worker: int = 0) -> list[str]:
        """The names of the modules that a worker has imported."""
        asked = self._workers[worker]
        asked.ask(MODULES)
        while (answer := asked.receive()) is None:
            continue
        return json.loads(answer)

    def close(self) -> None:
        """Asks the processes to close their simulators, then ends them.

        One that is still at a command, of a call that was interrupted, is ended without.
        """
        if not self._finalizer.alive:
            return
        for worker in self._workers:
            if worker.answered != worker.asked:
                worker.end()
            worker.ask(CLOSE)
        end = time.monotonic() + 1.0
        for worker in self._workers:
            try:
                worker.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
        self._finalizer()

    def _start(self, index: int, rows: tuple[int, int]) -> Worker:
        return Worker(index, rows, self._task, self._factory, self._file.fileno())

    def _answers(self, workers: list[Worker], deadline: float) -> dict[Worker, str]:
        """Waits for the answers; returns why each worker that failed did."""
        failed: dict[Worker, str] = {}
        pending = {worker.pipe: worker for worker in workers}
        end = time.monotonic() + deadline
        while pending:
            ready = wait(list(pending), max(0.0, end - time.monotonic()))
            if not ready:
                hung = f"did not answer within {deadline:g} s"
                failed.update((worker, hung) for worker in pending.values())
                break
            for pipe in ready:
                assert isinstance(pipe, Connection)
                worker = pending[pipe]
                try:
                    answer = worker.receive()
                except (EOFError, OSError):
                    del pending[pipe]
                    code = worker.process.wait()
                    how = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
                    failed[worker] = how
                    continue
                if answer is None:
                    continue  # to a command of a call that was interrupted
                del pending[pipe]
                if not answer:
                    continue
                report = json.loads(answer)
                if report["kind"] == "done":
                    seen = [Remark(*remark) for remark in report["remarks"]]
                    self.remarks += [remark for remark in seen if remark not in self.remarks]
                    self._infos += [
                        EpisodeMeans(worker.rows[0] + row, means) for row, means in report["infos"]
                    ]
                    continue
                if report["kind"] == "contract":
                    self._finalizer()
                    raise EnvironmentContractError(report["message"])
                if report["kind"] == "unpacking":
                    self._finalizer()
                    raise CannotTravel(f"another process cannot build it ({report['message']})")
                failed[worker] = f"{RAISED}{report['message']}"
        return failed

    def _recover(self, worker: Worker, reason: str | None, redo: bool) -> None:
        """Replaces a worker until its rows stand where an undisturbed one would have them."""
        rows = slice(*worker.rows)
        mine = self.buffer.rows(*worker.rows)
        command = [column.copy() for column in mine.arrays()]
        while reason is not None:
            worker.end()
            self._restarts_now += 1
            if self._restarts_now > self.max_restarts:
                self._finalizer()
                if not self._built and reason.startswith(RAISED):
                    raise CannotTravel(
                        f"another process cannot build it: it {reason.splitlines()[0]}"
                    )
                raise WorkerError(
                    f"Simulator process {worker.index} of {self.name} (simulators "
                    f"{rows.start} to {rows.stop - 1}) failed more than max_restarts="
                    f"{self.max_restarts} times. Now it {reason}\nMend the environment. If "
                    f"one of its steps only takes longer than {self.deadline:g} s, use workers=0, "
                    "which waits for ever."
                )
            self.restarts += 1
            fresh = self._start(worker.index, worker.rows)
            worker.process, worker.pipe = fresh.process, fresh.pipe
            worker.asked, worker.answered = fresh.asked, fresh.answered
            reason = self._answers([worker], START_DEADLINE).get(worker)
            if reason is None:
                reason = self._replay(worker, mine)
            for column, before in zip(mine.arrays(), command, strict=True):
                column[:] = before
            for column, seen in zip(mine.observation, self._seen, strict=True):
                column[:] = seen[rows]
            if reason is None and redo:
                reason = self._step(worker)

    def _step(self, worker: Worker) -> str | None:
        worker.ask(STEP_ALL)
        return self._answers([worker], self.deadline).get(worker)

    def _replay(self, worker: Worker, mine: SharedBuffer) -> str | None:
        """Brings a new worker's simulators to where the lost one's were."""
        rows = slice(*worker.rows)
        for command, seed, action in self.log.replay(rows):
            mine.command[:], mine.seed[:], mine.action[:] = command, seed, action
            reason = self._step(worker)
            if reason is not None:
                return reason
        running = self.log.running(rows)
        seen = tuple(leaf[rows] for leaf in self._seen)
        if not same_rows(mine.observation, seen)[running].all():
            self._finalizer()
            raise WorkerError(
                f"{self.name} is not reproducible from its seed: after a simulator process was "
                "replaced, the same seed and actions led to another observation. Let the "
                "environment draw from self.np_random alone (seeded by reset), or use workers=0."
            )
        return None


def same_rows(a: Leaves, b: Leaves) -> np.ndarray:
    """Which rows [M] of two trees of observations are equal; NaN equals NaN."""
    rows = np.ones(len(a[0]), bool)
    for x, y in zip(a, b, strict=True):
        same = (x == y) | ((x != x) & (y != y))
        rows &= same.reshape(len(rows), -1).all(axis=1)
    return rows


def _end_all(workers: list[Worker], file: Any) -> None:
    for worker in workers:
        worker.end()
    workers.clear()
    file.close()
