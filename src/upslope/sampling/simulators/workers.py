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
from upslope.sampling.simulators.simulator_process import ADVANCE, BOOTSTRAP, CLOSE, DONE, MODULES
from upslope.sampling.simulators.step_buffer import SKIP, BufferLayout, SharedBuffer

START_DEADLINE = 120.0  # seconds for a new process to import Gymnasium and build its simulators


class Worker:
    """One simulator process and the rows of the board it serves."""

    def __init__(self, index: int, rows: tuple[int, int], task: dict[str, Any], memory: int):
        self.index, self.rows = index, rows
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
        self.send(json.dumps({**task, "rows": rows}).encode())

    def send(self, message: bytes) -> None:
        """Sends a command; a dead process shows when its answer is awaited."""
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

    Attributes:
      board: commands and results, in memory shared with the processes.
      restarts: processes replaced so far.

    Raises:
      WorkerError: more than `max_restarts` replacements in one call of the sampler, or a replay
        that differs.
      EnvironmentContractError: a simulator broke its contract; another try would not help.
    """

    def __init__(
        self,
        recipe: dict[str, Any],
        layout: BufferLayout,
        *,
        name: str,
        workers: int,
        autoreset: bool,
        limit: int | None,
        deadline: float,
        max_restarts: int = 3,
    ):
        self.name, self.deadline, self.max_restarts = name, deadline, max_restarts
        self.restarts = self._restarts_now = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as the pool
        self._file.truncate(max(layout.size(), 1))
        self.board = layout.board(mmap.mmap(self._file.fileno(), max(layout.size(), 1)))
        self._task = {
            "recipe": recipe,
            "layout": list(layout),
            "name": name,
            "autoreset": autoreset,
            "limit": limit,
            "path": [os.path.abspath(path) for path in sys.path],
        }
        self._journal = ActionLog(layout, autoreset)
        self._seen = self.board.observation.copy()
        self._workers: list[Worker] = []
        # Ends the processes when the pool is collected, and when the program exits.
        self._finalizer = weakref.finalize(self, _end_all, self._workers, self._file)
        borders = np.linspace(0, layout.count, workers + 1).round().astype(int).tolist()
        for index, rows in enumerate(itertools.pairwise(borders)):
            self._workers.append(Worker(index, rows, self._task, self._file.fileno()))
        for worker, reason in self._answers(self._workers, START_DEADLINE).items():
            self._recover(worker, reason, redo=False)

    def reset_counters(self) -> None:
        """A new call of the sampler: replacements are counted from zero again."""
        self._restarts_now = 0

    def advance(self) -> None:
        """Steps, resets or skips every simulator and writes what came of it on the board."""
        board = self.board
        if not self._finalizer.alive:
            raise WorkerError(f"The simulator processes of {self.name} are closed.")
        # Taken before the processes run: what they write must not be mistaken for commands.
        todo, seed, action = board.todo.copy(), board.seed.copy(), board.action.copy()
        busy = [w for w in self._workers if (todo[slice(*w.rows)] != SKIP).any()]
        for worker in busy:
            worker.send(ADVANCE)
        for worker, reason in self._answers(busy, self.deadline).items():
            self._recover(worker, reason, redo=True)
        self._journal.record(todo, seed, action, board.terminated | board.truncated)
        self._seen = board.observation.copy()

    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.process.pid for worker in self._workers]

    def modules(self, worker: int = 0) -> list[str]:
        """The names of the modules that a worker has imported."""
        pipe = self._workers[worker].pipe
        pipe.send_bytes(MODULES)
        return json.loads(pipe.recv_bytes())

    def close(self) -> None:
        """Asks the processes to close their simulators, then ends them."""
        if not self._finalizer.alive:
            return
        for worker in self._workers:
            worker.send(CLOSE)
        end = time.monotonic() + 1.0
        for worker in self._workers:
            try:
                worker.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
        self._finalizer()

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
                worker = pending.pop(pipe)
                try:
                    answer = pipe.recv_bytes()
                except (EOFError, OSError):
                    code = worker.process.wait()
                    how = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
                    failed[worker] = how
                    continue
                if answer == DONE:
                    continue
                report = json.loads(answer)
                if report["kind"] == "contract":
                    self._finalizer()
                    raise EnvironmentContractError(report["message"])
                failed[worker] = f"raised: {report['message']}"
        return failed

    def _recover(self, worker: Worker, reason: str | None, redo: bool) -> None:
        """Replaces a worker until its rows stand where an undisturbed one would have them."""
        rows = slice(*worker.rows)
        mine = self.board.rows(*worker.rows)
        command = [column.copy() for column in mine]
        while reason is not None:
            worker.end()
            self._restarts_now += 1
            if self._restarts_now > self.max_restarts:
                self._finalizer()
                raise WorkerError(
                    f"Simulator process {worker.index} of {self.name} (simulators "
                    f"{rows.start} to {rows.stop - 1}) failed more than max_restarts="
                    f"{self.max_restarts} times. Now it {reason}\nMend the environment, or raise "
                    f"deadline={self.deadline:g} if it is only slow."
                )
            self.restarts += 1
            fresh = Worker(worker.index, worker.rows, self._task, self._file.fileno())
            worker.process, worker.pipe = fresh.process, fresh.pipe
            reason = self._answers([worker], START_DEADLINE).get(worker)
            if reason is None:
                reason = self._replay(worker, mine)
            for column, before in zip(mine, command, strict=True):
                column[:] = before
            mine.observation[:] = self._seen[rows]
            if reason is None and redo:
                reason = self._command(worker)

    def _command(self, worker: Worker) -> str | None:
        worker.send(ADVANCE)
        return self._answers([worker], self.deadline).get(worker)

    def _replay(self, worker: Worker, mine: SharedBuffer) -> str | None:
        """Brings a new worker's simulators to where the lost one's were."""
        rows = slice(*worker.rows)
        for todo, seed, action in self._journal.replay(rows):
            mine.todo[:], mine.seed[:], mine.action[:] = todo, seed, action
            reason = self._command(worker)
            if reason is not None:
                return reason
        running = self._journal.running(rows)
        same = same_numbers(mine.observation[running], self._seen[rows][running])
        if not same:
            self._finalizer()
            raise WorkerError(
                f"{self.name} is not reproducible from its seed: after a simulator process was "
                "replaced, the same seed and actions led to another observation. Let the "
                "environment draw from self.np_random alone (seeded by reset), or use workers=0."
            )
        return None


def same_numbers(a: np.ndarray, b: np.ndarray) -> bool:
    """Equality of arrays in which NaN equals NaN."""
    return np.array_equal(a, b, equal_nan=np.issubdtype(a.dtype, np.floating))


def _end_all(workers: list[Worker], file: Any) -> None:
    for worker in workers:
        worker.end()
    workers.clear()
    file.close()
