"""What the loop writes down as it goes, and reads when it goes on."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from upslope.core.checks import NumericalError, StorageError, UpslopeError
from upslope.engine.devices import DeviceLayout
from upslope.engine.history import INFO, KEYS, History
from upslope.engine.loop import Cursor, RunSchedule
from upslope.engine.progress import Evaluation, Times
from upslope.engine.stopping import Ending
from upslope.storage.checkpoint import load_latest, save_checkpoint
from upslope.storage.evaluations_file import (
    Evaluations,
    read_evaluations,
    truncate_evaluations,
    write_evaluations,
)
from upslope.storage.quarantine import DamagedFile, quarantine
from upslope.training.account import Account
from upslope.training.config import RunConfig
from upslope.training.loggers import (
    EPISODE_LENGTH,
    EPISODE_RETURN,
    EVALUATION_LENGTH,
    EVALUATION_RETURN,
    Sinks,
    train_key,
)
from upslope.training.run_folder import RunFolder
from upslope.training.sink import Dashboard

if TYPE_CHECKING:
    from upslope.training.run import Run

NAMES = {"return": EPISODE_RETURN, "length": EPISODE_LENGTH, "episodes": "rollout/episodes"}


class RunRecorder:
    """Writes a run into its folder; without a folder it writes nothing.

    Args:
      folder: of the run, or None.
      loggers: the dashboards, by name; all of them can be opened.
      config: for the dashboards that show it.
      note: who is told of a dashboard that fails.
    """

    def __init__(
        self,
        folder: RunFolder | None,
        loggers: Iterable[str],
        config: RunConfig,
        note: Callable[[str], None],
    ):
        self.folder, self.config = folder, config
        self._tell_user, self._said = note, list[str]()
        self.sinks, self._loggers = Sinks(self.note), list(loggers)
        self._account = Account() if folder is None else folder.account()  # of earlier processes
        self._history: History | None = None
        if folder is None and self._loggers:
            raise UpslopeError("Loggers write beside a run folder: give the run a folder (out=).")
        self._total, self._steps = 0, np.zeros(config.seeds, np.int64)  # as far as is logged
        self._schedule: list[int] = [config.total_timesteps, config.evaluations]
        self._step, self._told = 0, 0  # of the dashboards: where they are, evaluations they know

    @property
    def path(self) -> Path | None:
        """The run folder's path."""
        return None if self.folder is None else self.folder.path

    def note(self, text: str) -> None:
        """Tells the user something, and keeps it for who opens the folder."""
        self._said.append(text)
        self._tell_user(text)

    def record_account(
        self, times: Times, closing: list[str], best_seen: np.ndarray | None = None
    ) -> None:
        """Writes where the time went and what was said, where that can be written."""
        if self.folder is not None:
            account = self._account.after(times, self._said, closing, best_seen)
            with contextlib.suppress(StorageError):  # the run itself needs nothing of it
                self.folder.write_account(account)

    def open_dashboards(self, position: Cursor | None) -> None:
        """Begins the run on its dashboards, or continues it there.

        Args:
          position: from where the run is continued; None: it begins.
        """
        if self.folder is None or not self._loggers:
            return
        known = self.folder.dashboards() or {}
        if position is not None:
            self._step = int(position.steps.mean())
        dashboard = Dashboard(
            self.folder.path,
            self.config.log_project,
            self.config.log_name or self.folder.path.name,
            self.config.log_group,
            self.config.to_dict(),
        )
        opened = {}
        for name in self._loggers:
            id = known.get(name)
            step = None if id is None else self._step
            opened[name] = self.sinks.open(name, dashboard._replace(id=id, step=step)) or id
        self.folder.record_dashboards(opened)

    def first_budget(self) -> int | None:
        """The `total_timesteps` that the run began with; None where nobody knows."""
        budgets = [] if self.folder is None else self.folder.budgets()
        return budgets[0] if budgets else None

    def layout(self, note: Callable[[str], None]) -> DeviceLayout | None:
        """The device layout that the run began with; None where it is unknown or cannot be had.

        Args:
          note: is told where this process has too few devices for it.
        """
        numbers = None if self.folder is None else self.folder.device_layout()
        if numbers is None or self.config.seeds % numbers[0]:
            return None
        layout, count = DeviceLayout(*numbers), len(jax.devices())
        if count < layout.size:
            note(
                f"The run began on {layout.size} devices and is resumed on {count}: the result "
                "equals that of the run without the interruption up to rounding. For the same "
                f"bits, call upslope.configure(devices={layout.size}) before JAX starts; the "
                "command `upslope resume` does, unless JAX_NUM_CPU_DEVICES or XLA_FLAGS set "
                "another number."
            )
            return None
        return layout

    def record_layout(self, layout: DeviceLayout) -> None:
        """Writes down how the run is laid out on devices, unless its beginning is known."""
        if self.folder is not None and self.folder.device_layout() is None:
            self.folder.record_device_layout((layout.seeds, layout.population))

    def record_irreproducible(self, why: str) -> None:
        """Marks the run as one that cannot be made again exactly, where there is a reason."""
        if self.folder is not None and why:
            self.folder.record_irreproducible(why)

    def record(self, history: History, since: int) -> None:
        """Logs the rows that were added since an index."""
        self._history = history
        if self.folder is None or since == history.rows:
            return
        rows = [history.row(index) for index in range(since, history.rows)]
        for row in rows:
            self._total += row["steps"] - int(self._steps[row["seed"]])
            self._steps[row["seed"]] = row["steps"]
            self.folder.metrics.append(self._total, {name_in_log(k): v for k, v in row.items()})
        if self.sinks:
            columns = {k: np.array([row[k] for row in rows]) for k in rows[0] if k not in KEYS}
            self._tell(
                float(np.mean([row["steps"] for row in rows])),
                {name_in_log(k): v for k, v in columns.items()},
            )

    def _tell(self, step: float, values: dict[str, Any]) -> None:
        """Hands a row to the dashboards; one that went back in steps would be dropped by W&B."""
        self._step = max(self._step, int(step))
        self.sinks.write(self._step, values)

    def save(self, position: Cursor, *, final: bool = False) -> None:
        """A checkpoint and the evaluations so far.

        What goes with a checkpoint is on the disk before it: a run that goes on from there drops
        what is later, and misses nothing.

        Args:
          position: where the run stands.
          final: the last evaluation is that of the end, which a resumed run makes again.
        """
        if self.folder is None:
            return
        tree = {"carry": position.carry, "steps": position.steps}
        step = int(position.steps.sum())
        evaluations = self._history.evaluations if self._history is not None else []
        metadata = {
            "evaluated": position.evaluated,
            "evaluations": len(evaluations) - final,
            "schedule": self._schedule,
            "ending": None if position.ending is None else list(position.ending),
            "rows": self._rows(),
            "iterations": self._iterations(),
        }
        self.folder.metrics.sync()
        for one in evaluations[self._told :]:
            values = {
                EVALUATION_RETURN: one.returns.mean(),
                EVALUATION_LENGTH: one.lengths.mean(),
            }
            self._tell(one.steps.mean(), values)
        self._told = len(evaluations)
        if evaluations:
            self._write_evaluations(evaluations)
        save_checkpoint(self.folder.checkpoints, step, tree, metadata)
        self.folder.set_status("running", step=int(position.steps.min()))

    def _rows(self) -> int:
        return 0 if self._history is None else self._history.rows

    def _iterations(self) -> list[int]:
        """How many iterations of each seed are in the rows [S]."""
        known = None if self._history is None else self._history.iterations
        return [0] * self.config.seeds if known is None else known.tolist()

    def _write_evaluations(self, evaluations: list[Evaluation]) -> None:
        assert self.folder is not None
        write_evaluations(
            self.folder.evaluations,
            Evaluations.of(
                [e.returns for e in evaluations],
                [e.lengths for e in evaluations],
                [e.steps for e in evaluations],
            ),
        )

    def read(
        self,
        shapes: Any,
        history: History,
        schedule: RunSchedule,
        note: Callable[[str], None],
        *,
        further: bool = False,
    ) -> Cursor | None:
        """The last whole checkpoint and the log up to it; None when there is none yet.

        Args:
          shapes: of the program's carry.
          history: gets what is logged.
          schedule: of the run as it goes on.
          note: is told of what is damaged.
          further: the run goes on although it had reached its end: what ended it does no more.
        """
        assert self.folder is not None
        self._history = history
        for text in self.folder.notes:
            note(text)
        seeds = self.config.seeds
        like = {"carry": shapes, "steps": np.zeros(seeds, np.int64)}
        if not self.folder.checkpoints.is_dir() or not any(self.folder.checkpoints.iterdir()):
            note("No checkpoint had been written: starting from the beginning.")
            self.folder.metrics.truncate_after(-1)
            self._read_evaluations(-1, note)
            return None
        step, tree, metadata = load_latest(self.folder.checkpoints, like, note)
        bad = metadata.get("nonfinite") or []
        if bad:
            note(f"The checkpoint holds NaN or infinities in {', '.join(bad[:3])}.")
        self.folder.metrics.truncate_after(step)
        steps = np.asarray(tree["steps"])
        rows = [
            {name_in_history(k): v for k, v in row.items() if k != "step"}
            for row in self.folder.metrics.rows()
        ]
        lost = int(metadata.get("rows", 0)) - len(rows)
        if lost > 0:
            note(
                f"metrics.jsonl lacks {lost} of the {metadata['rows']} rows logged before the "
                "checkpoint: the learning curves have a gap there; the search goes on from the "
                "checkpoint itself and is not touched by that."
            )
        # A checkpoint within a row of the log is some iterations ahead of the rows.
        logged = metadata.get("iterations")
        history.restore(rows, np.asarray(logged or tree["carry"].iteration, np.int64))
        self._total, self._steps = step, steps.astype(np.int64)
        saved = self._read_evaluations(int(steps.max()), note)
        evaluated = int(metadata["evaluated"])
        ending = metadata.get("ending")
        if further or metadata.get("schedule", self._schedule) != self._schedule:
            # What was the end is an evaluation on the way.
            targets, ending = schedule.targets(), None
            evaluated = int(np.searchsorted(targets, steps.max(), side="right"))
            wanted = saved.timesteps.size
        else:
            # The last one is of the end, and is done again.
            wanted = min(evaluated, len(schedule.targets()) - 1)
            wanted = min(wanted, int(metadata.get("evaluations", wanted)))
        kept = min(wanted, saved.timesteps.size)
        if kept < wanted:
            note(
                f"evaluations.npz lacks {wanted - kept} of the {wanted} evaluations before the "
                "checkpoint: they are not done again, and the curve of evaluations has a gap."
            )
        for k in range(kept):
            history.evaluations.append(Evaluation(*saved.moment(k)))
        self._told = kept
        return Cursor(
            tree["carry"], steps, evaluated, None if ending is None else Ending(*map(str, ending))
        )

    def _read_evaluations(self, step: int, note: Callable[[str], None]) -> Evaluations:
        """The evaluations up to a step; a damaged file is quarantined, and there are none."""
        assert self.folder is not None
        path = self.folder.evaluations
        try:
            saved = read_evaluations(path)
            if saved.timesteps.size and saved.results.shape[0] != self.config.seeds:
                raise DamagedFile(
                    f"{path} holds evaluations of {saved.results.shape[0]} seeds; the run has "
                    f"{self.config.seeds}."
                )
            truncate_evaluations(path, step)
            return read_evaluations(path)
        except DamagedFile as error:
            note(f"{error} It is kept as {quarantine(path).name}; the run goes on without it.")
            return Evaluations.none()

    def finish(self, result: Run, position: Cursor) -> None:
        """The last checkpoint, the policies, and the word that it is done."""
        if self.folder is None:
            return
        self.save(position, final=True)
        result.save(self.folder.policy)
        self.sinks.close("done")
        self.folder.set_status(
            "done",
            exit_code=0,
            step=int(position.steps.min()),
            message="" if position.ending is None else position.ending.text,
        )

    def killed(self, number: int) -> None:
        """A second signal ends the process now: the state must not stay "running"."""
        if self.folder is not None:
            with contextlib.suppress(StorageError, OSError):
                text = "Stopped by a second signal; it goes on from its last checkpoint."
                self.folder.set_status("stopped", exit_code=128 + number, message=text)

    def fail(self, error: BaseException) -> None:
        """Says in the folder why the run is not done; the checkpoints stay."""
        if self.folder is None:
            return
        code = getattr(error, "exit_code", 130 if isinstance(error, KeyboardInterrupt) else 1)
        state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        try:
            if state == "failed":
                self.folder.write_diagnosis(self._diagnosis(error))
            self.folder.set_status(state, exit_code=code, message=str(error))
        except (StorageError, OSError):
            pass  # a full disk must not hide the first error
        self.sinks.close(state)

    def _diagnosis(self, error: BaseException) -> dict[str, Any]:
        rows = (
            []
            if self._history is None
            else range(max(0, self._history.rows - 8), self._history.rows)
        )
        return {
            "error": type(error).__name__,
            "message": str(error),
            "numerical": isinstance(error, NumericalError),
            "traceback": traceback.format_exception(error)[-12:],
            "last_rows": [self._history.row(i) for i in rows] if self._history else [],
            "devices": [str(device) for device in jax.devices()],
        }


def name_in_log(name: str) -> str:
    """The name a column has in `metrics.jsonl` and on dashboards."""
    if name in KEYS:
        return name
    return name if name.startswith(INFO) else NAMES.get(name) or train_key(name)


def name_in_history(name: str) -> str:
    """The inverse of `name_in_log`."""
    back = {log: column for column, log in NAMES.items()}
    return back.get(name, name.removeprefix("train/"))
