"""A run read back from its folder: numbers and policies, without its environment or any code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from upslope.core.checks import StorageError, check_path
from upslope.engine.history import History
from upslope.engine.progress import Evaluation, Summary
from upslope.storage import atomic_folder
from upslope.storage.evaluations_file import read_evaluations
from upslope.storage.policy_artifact import LoadedPolicy
from upslope.training.config import RunConfig
from upslope.training.recorder import name_in_history
from upslope.training.run import Run
from upslope.training.run_folder import RunFolder
from upslope.training.saved_policy import load_policy


def open_run(path: str | Path) -> Run:
    """The run in a folder, finished or not; the folder is only read.

    Raises:
      StorageError: it is no run folder, or something in it is damaged.
    """
    place = check_path("Run.load", "path", path)
    if place.name == "policy" and (place.parent / "status.json").is_file():
        place = place.parent
    folder = RunFolder.open(place, lock=False)
    config = RunConfig.from_dict(folder.config())
    history = read_history(folder, config.seeds)
    loaded = load_policy(folder.policy) if atomic_folder.find(folder.policy) else None
    state = str(folder.status().get("state"))
    steps = last_steps(history, config.seeds)
    extra: dict[str, Any] = {} if loaded is None else loaded.metadata.get("extra") or {}
    if len(extra.get("steps", ())) == config.seeds:
        steps = np.asarray(extra["steps"], np.int64)
    final = history.evaluations[-1] if loaded and history.evaluations else None
    account = folder.account()
    seen = account.best_seen
    seen = seen if seen is not None and seen.shape == (config.seeds,) else None
    summary = Summary(state, steps, final, account.times, place, account.notes, seen)
    policies, observation_space, action_space = parts(loaded, config.seeds, place)
    run = Run(config, policies, history, summary, observation_space, action_space)
    returns = extra.get("final_returns")
    if returns is not None and len(returns) == config.seeds:
        run.final_returns = np.asarray(returns, float)
    return run


def parts(loaded: LoadedPolicy | None, seeds: int, place: Path) -> tuple[Any, Any, Any]:
    """Policies and spaces of a policy folder; None of each where there is none yet."""
    if loaded is None:
        return None, None, None
    if loaded.seeds != seeds:
        raise StorageError(
            f"{place / 'policy'} holds policies of {loaded.seeds} seeds; config.yaml says {seeds}."
        )
    return loaded.policy, loaded.observation_space, loaded.action_space


def read_history(folder: RunFolder, seeds: int) -> History:
    """Rows and evaluations as they were logged."""
    history = History()
    rows = [
        {name_in_history(k): v for k, v in row.items() if k != "step"}
        for row in folder.metrics.rows()
    ]
    for row in rows:
        if type(row.get("seed")) is not int or not 0 <= row["seed"] < seeds:
            raise StorageError(
                f"{folder.metrics.path} has a row of seed {row.get('seed')!r:.40}; the run has "
                f"{seeds} seeds."
            )
    iterations = np.zeros(seeds, np.int64)
    for row in rows:
        iterations[row["seed"]] = int(row.get("iteration") or 0)
    names = list(dict.fromkeys(name for row in rows for name in row))
    history.restore([{name: row.get(name) for name in names} for row in rows], iterations)
    saved = read_evaluations(folder.evaluations)
    if saved.timesteps.size and saved.results.shape[0] != seeds:
        raise StorageError(
            f"{folder.evaluations} holds {saved.results.shape[0]} seeds; the run has {seeds}."
        )
    for k in range(saved.timesteps.size):
        history.evaluations.append(Evaluation(*saved.moment(k)))
    return history


def last_steps(history: History, seeds: int) -> np.ndarray:
    """Steps [S] that the log has seen of each seed."""
    columns = history.arrays()
    steps = np.zeros(seeds, np.int64)
    if columns:
        np.maximum.at(steps, columns["seed"], columns["steps"])
    return steps
