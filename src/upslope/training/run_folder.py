"""The folder of one run: everything that is known of it, and enough to go on."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from upslope.core.checks import StorageError
from upslope.core.shell_command import shell_command
from upslope.environments.adaptors.atari import as_stored
from upslope.storage import atomic, atomic_folder
from upslope.storage.json_text import finite_or_null, parse_json
from upslope.storage.lock import LOCK, RunLock
from upslope.storage.metrics_file import MetricsFile
from upslope.storage.quarantine import quarantine
from upslope.training.account import Account
from upslope.training.config_file import read_config, write_config
from upslope.training.provenance import command_line, provenance
from upslope.training.slug import inside, slug

State = Literal["running", "done", "failed", "stopped"]
# A damaged or foreign folder must not make this process ask for any number of devices.
MOST_DEVICES = 1024
STATES: tuple[State, ...] = ("running", "done", "failed", "stopped")


class RunFolder:
    """`runs/<environment>/<method>-<utc>-<id>`, held by one process at a time.

    ::

        config.yaml        the resolved settings: they run it again exactly
        environment.json   versions, machine, flags, the names as typed, the settings and the
                           device layout it began with, its budgets, its loggers
        command.txt        the command line
        status.json        state, exit code, step, message; always whole
        metrics.jsonl      one row of metrics a line
        evaluations.npz    held-out episodes (see `evaluations_file`)
        summary.json       where the time went and what the run said (see `account`)
        diagnosis.json     what went wrong, if something did
        checkpoints/       step_<n>/ of the whole state
        policy/            the policy (see `policy_artifact`)
        start/             the one that the search began at, where it was a trained one

    It holds no absolute paths: a run that is moved or copied goes on where it is.

    Attributes:
      path: the folder.
      metrics: the rows of `metrics.jsonl`.
      notes: what was found damaged when the folder was opened, for the one who goes on with it.
    """

    def __init__(self, path: Path, lock: RunLock | None):
        self.path = Path(path)
        self.metrics = MetricsFile(self.path / "metrics.jsonl")
        self.notes: list[str] = []
        self._lock = lock

    @classmethod
    def create(
        cls, root: Path | None, environment: str, method: str, *, path: Path | None = None
    ) -> RunFolder:
        """A new run folder, locked for this process and proven writable.

        Args:
          root: the folder of runs; None for `runs` here.
          environment: its name, as typed.
          method: its name, as typed.
          path: the run folder itself, instead of a new one under `root`.

        Raises:
          StorageError: when `path` holds something already, or nothing can be written there.
        """
        if path is None:
            base = Path("runs") if root is None else Path(root)
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            name = f"{slug(method)}-{stamp}-{secrets.token_hex(3)}"
            path = inside(base, slug(environment), name)
        path = Path(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise StorageError(
                    f"{path} is not empty. Choose another folder with --out, or go on with the "
                    f"run in it: {shell_command('resume', path)}"
                )
        except OSError as error:
            raise StorageError(
                f"Could not create the run folder {path}: {error.strerror or error}. "
                f"Choose a folder you may write with --out."
            ) from error
        run = cls(path, RunLock(path))
        try:
            names = {"environment": environment, "method": method}
            run._write_json("environment.json", {"names": names})
            atomic.write_bytes(path / "command.txt", f"{command_line()}\n".encode())
            run.set_status("running", step=0)
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def open(cls, path: Path, *, lock: bool = True) -> RunFolder:
        """An existing run folder: to go on with it (locked), or only to read it.

        Who goes on with it finds no litter of an earlier process that was killed, and a
        `status.json` that can be read: a damaged one is quarantined, with a word in `notes`.

        Raises:
          StorageError: when it is no run folder, or another process holds it.
        """
        path = Path(path)
        if not (path / "status.json").is_file():
            raise StorageError(f"{path} is not a run folder: it has no status.json.")
        run = cls(path, RunLock(path) if lock else None)
        if lock:
            try:
                run._clean()
                run._mend_status()
            except BaseException:
                run.close()
                raise
        return run

    def _clean(self) -> None:
        """Removes what a writer that was killed has left; nobody else writes under the lock."""
        for parent in (self.path, self.checkpoints):
            try:
                atomic_folder.clean(parent)
                atomic.clean_files(parent)
            except OSError as error:
                raise atomic.storage_error("tidy up", parent, error) from error

    def _mend_status(self) -> None:
        path = self.path / "status.json"
        try:
            if self.status().get("state") in STATES:
                return
            reason = f"{path} names no state of a run."
        except StorageError as error:
            reason = str(error)
        aside = quarantine(path, copy=True)  # without a status.json this is no run folder
        self.set_status("failed", step=0, message=f"status.json was damaged; see {aside.name}")
        self.notes.append(f"{reason} It is kept as {aside.name}; the run goes on without it.")

    def close(self) -> None:
        """Lets the folder go, without litter; once is enough."""
        self.metrics.close()
        if self._lock is not None:
            with contextlib.suppress(StorageError):
                self._clean()
            self._lock.release()
            self._lock = None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def policy(self) -> Path:
        """The folder of the saved policy."""
        return self.path / "policy"

    @property
    def start(self) -> Path:
        """The folder of the policy that the search began at, where it was a trained one."""
        return self.path / "start"

    @property
    def evaluations(self) -> Path:
        """The file of evaluations."""
        return self.path / "evaluations.npz"

    def file(self, *parts: str) -> Path:
        """A path inside the folder; one that leads out of it is refused."""
        return inside(self.path, *parts)

    def write_config(self, config: dict[str, Any]) -> None:
        """Writes the resolved configuration, plain values only; `changes` will know it."""
        write_config(self.path / "config.yaml", config)
        self._write_json("environment.json", self.environment() | {"began_with": config})

    def config(self) -> dict[str, Any]:
        """The configuration, read as if it came from a stranger."""
        return read_config(self.path / "config.yaml")

    def changes(self, config: dict[str, Any]) -> list[str]:
        """How a configuration differs from what the run began with: `seed: 0, now 5`."""
        try:
            table = self.environment().get("began_with")
        except StorageError:  # going on needs nothing of what that file says
            return []
        if not isinstance(table, Mapping):  # written by an earlier version
            return []
        began, now = flat(as_stored(table)), flat(finite_or_null(config))
        return [
            f"{name}: {began.get(name, 'the default')}, now {now.get(name, 'the default')}"
            for name in {**began, **now}
            if name not in began or name not in now or began[name] != now[name]
        ]

    def extend(self, config: dict[str, Any]) -> None:
        """Writes the configuration of a run that goes further than it was asked to before."""
        budgets = [*self.budgets(), config["total_timesteps"]]
        with contextlib.suppress(StorageError):  # going on needs nothing of what that file says
            found = self.environment() | {"budgets": budgets, "began_with": config}
            self._write_json("environment.json", found)
        write_config(self.path / "config.yaml", config)

    def budgets(self) -> list[int]:
        """The `total_timesteps` that the run was given one after the other; [] where unknown."""
        try:
            found = self.environment()
        except StorageError:
            return []
        began = found.get("began_with")
        first = began.get("total_timesteps") if isinstance(began, Mapping) else None
        budgets = found.get("budgets", [first])
        budgets = budgets if isinstance(budgets, list) else [first]
        return [budget for budget in budgets if type(budget) is int and budget > 0]

    def policy_folder(self) -> Path:
        """The folder of the saved policy, which is there.

        Raises:
          StorageError: the run has none yet.
        """
        if atomic_folder.find(self.policy) is None:
            raise StorageError(
                f"{self.path} holds no policy yet (its state is {self.status().get('state')!r}). "
                f"Finish it first: {shell_command('resume', self.path)}"
            )
        return self.policy

    def record_provenance(self) -> None:
        """Adds versions, machine and flags to `environment.json` (this starts JAX)."""
        self._write_json("environment.json", self.environment() | provenance())

    def record_device_layout(self, layout: tuple[int, int]) -> None:
        """Adds the device layout to `environment.json`, where that can be read."""
        with contextlib.suppress(StorageError):  # going on needs nothing of what that file says
            found = self.environment()
            self._write_json("environment.json", found | {"device_layout": list(layout)})

    def record_irreproducible(self, why: str) -> None:
        """Adds to `environment.json` why the run cannot be made again exactly."""
        with contextlib.suppress(StorageError):
            self._write_json("environment.json", self.environment() | {"irreproducible": why})

    def device_layout(self) -> tuple[int, int] | None:
        """How many devices seeds are spread over, and how many share each population.

        None where `environment.json` says nothing sensible about it.
        """
        try:
            found = self.environment().get("device_layout")
        except StorageError:
            return None
        if isinstance(found, list) and len(found) == 2 and all(type(n) is int for n in found):
            seeds, population = found
            if min(seeds, population) > 0 and seeds * population <= MOST_DEVICES:
                return seeds, population
        return None

    def record_dashboards(self, ids: Mapping[str, str | None]) -> None:
        """Adds by what each logger knows this run to `environment.json`, where that can be read."""
        with contextlib.suppress(StorageError):  # going on needs nothing of what that file says
            found = self.environment()
            self._write_json("environment.json", found | {"loggers": dict(ids)})

    def dashboards(self) -> dict[str, str | None] | None:
        """The loggers of the run and by what each knows it; None where nothing is known."""
        try:
            found = self.environment().get("loggers")
        except StorageError:
            return None
        if not isinstance(found, dict):
            return None
        return {str(k): v if isinstance(v, str) else None for k, v in found.items()}

    def environment(self) -> dict[str, Any]:
        """What `environment.json` says."""
        return self._read_json("environment.json")

    def set_status(
        self,
        state: State,
        *,
        exit_code: int | None = None,
        step: int | None = None,
        message: str = "",
    ) -> None:
        """Replaces `status.json`; without `step` the last known one stays.

        Raises:
          StorageError: for a state that is none, or when the file cannot be written.
        """
        if state not in STATES:
            raise StorageError(f"The state of a run is one of {STATES}, not {state!r}.")
        if step is None:
            step = self.status().get("step") if (self.path / "status.json").is_file() else None
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        status = {"state": state, "exit_code": exit_code, "step": step, "message": message}
        self._write_json("status.json", status | {"updated": now})

    def status(self) -> dict[str, Any]:
        """What `status.json` says: state, exit_code, step, message, updated."""
        return self._read_json("status.json")

    def write_diagnosis(self, diagnosis: Mapping[str, Any]) -> None:
        """Writes what went wrong, for the one who looks into it."""
        self._write_json("diagnosis.json", diagnosis)

    def account(self) -> Account:
        """Where the time went and what was said; empty where that is not known."""
        try:
            return Account.from_dict(self._read_json("summary.json"))
        except StorageError:  # of an earlier version, or damaged: nothing else needs it
            return Account()

    def write_account(self, account: Account) -> None:
        """Replaces `summary.json`."""
        self._write_json("summary.json", account.to_dict())

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        atomic.write_json(self.path / name, finite_or_null(value))

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            value = parse_json(path.read_bytes(), str(path))
        except OSError as error:
            raise StorageError(f"Could not read {path}: {error.strerror}.") from error
        if not isinstance(value, dict):
            raise StorageError(f"{path} does not hold a table.")
        return value


def flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Tables within a table as names with dots: `method_settings.n_epochs`."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": item for inner, item in flat(value).items()}
        else:
            found[name] = value
    return found


__all__ = ["LOCK", "STATES", "RunFolder"]
