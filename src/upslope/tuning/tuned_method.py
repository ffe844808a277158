"""Tunes a method: trials on few seeds, the winner again on fresh ones, a preset file."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from upslope.core.checks import (
    StorageError,
    UpslopeError,
    check_number,
    check_path,
    check_table,
    unknown_name,
)
from upslope.engine.progress import Silent
from upslope.environments import make
from upslope.objectives import OBJECTIVES
from upslope.search import METHODS
from upslope.training.config import RunConfig, plain, resolve
from upslope.training.evaluation_bound import is_of
from upslope.training.given_environment import must_be_built, named
from upslope.training.logging_reporter import LOGGER
from upslope.training.run import Run
from upslope.training.run_folder import RunFolder
from upslope.training.settings import defaults_of, method_settings, settings_of
from upslope.training.signals import Stopped
from upslope.training.train import resume, run
from upslope.training.watcher import EvaluationRecord
from upslope.tuning.ranges import Searched, default_ranges, parse_range, range_for
from upslope.tuning.study import Study, check_optuna
from upslope.tuning.tuning_folder import JOURNAL, open_folder, write_preset
from upslope.tuning.tuning_result import FreshRuns, Trial, Tuning

if TYPE_CHECKING:
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec
    from upslope.environments.environment import Environment
    from upslope.environments.factory import EnvironmentLike

Search: TypeAlias = Iterable[str] | Mapping[str, "str | Searched | None"]
Told: TypeAlias = Callable[[Trial], object]


def tune(
    environment: EnvironmentLike,
    method: str | None,
    folder: str | Path,
    *,
    trials: int = 20,
    search: Search | None = None,
    fresh_seeds: int = 8,
    minutes: float | None = None,
    sampler: str = "tpe",
    pruner: str = "median",
    environment_settings: Mapping[str, Any] | None = None,
    callback: Told | None = None,
    **settings: object,
) -> Tuning:
    """Searches settings of a method for an environment, with Optuna.

        upslope.tune("CartPole-v1", "ppo", "tuning", trials=30, search=["learning_rate", "gamma"])

    Every trial trains on the same few seeds (`seeds`, 2 where not given); its value is the mean
    return of the final evaluation, over seeds. The first trial has the settings that would be used
    anyway: the preset's. The best trial is lucky besides being good, so its settings and the first
    trial's are trained again on `fresh_seeds` seeds that no trial has seen; only those numbers say
    what the settings are worth. A call with the same question on the same folder goes on where it
    was stopped, and gives the trials of the uninterrupted one.

    Args:
      environment: as `train` takes it.
      method: a name; None for the preset's choice.
      folder: for the trials, the fresh runs and `preset.yaml`, which `--config` reads.
      trials: how many in all, those of earlier calls included.
      search: names of settings, or a table of their ranges: texts such as "1e-5:1e-2:log", a
        `Range`, or None for the usual one. None: the usual settings of the method.
      fresh_seeds: how many at the end.
      minutes: no trial begins after so long; None for no limit.
      sampler: "tpe", "random" or "cma-es".
      pruner: ends trials that fall behind at an evaluation: "median", "halving" or "none".
      environment_settings: fields of the environment.
      callback: told of every trial when it has ended.
      **settings: of `train`; the same in every trial.

    Raises:
      UpslopeError: bad input, before any work; Optuna is not installed; or no trial is complete.
      StorageError: the folder holds something else.
      Stopped: a signal ended it; finished trials are saved.
    """
    table = check_table("tune()", "environment_settings", environment_settings)
    given = None
    if must_be_built(environment):
        given = make(environment, **table)
        name, table = named(environment, given, table)
    else:
        name = str(environment)
    config = resolve(name, method, {"seeds": 2, **settings}, environment_settings=table)
    return tune_configuration(
        config,
        folder,
        trials=trials,
        search=search,
        fresh_seeds=fresh_seeds,
        minutes=minutes,
        sampler=sampler,
        pruner=pruner,
        environment=given,
        callback=callback,
        fixed=tuple(settings),
    )


def tune_configuration(
    config: RunConfig,
    folder: str | Path,
    *,
    trials: int = 20,
    search: Search | None = None,
    fresh_seeds: int = 8,
    minutes: float | None = None,
    sampler: str = "tpe",
    pruner: str = "median",
    environment: Environment | GymnasiumSpec | None = None,
    callback: Told | None = None,
    before: Callable[[Sequence[Trial]], None] | None = None,
    owns_process: bool = False,
    fixed: Iterable[str] = (),
) -> Tuning:
    """`tune` from a resolved configuration, whose settings the first trial has.

    Args:
      config: resolved.
      environment: used instead of the one that is named.
      before: called once, with the trials of earlier calls in the folder.
      owns_process: see `upslope.training.train.run`.
      fixed: settings that were given and are not searched where nothing else is said.
    """
    place = check_path("tune()", "folder", folder)
    check_number("tune()", "trials", trials, at_least=1, integer=True)
    check_number("tune()", "fresh_seeds", fresh_seeds, at_least=1, integer=True)
    if minutes is not None:
        check_number("tune()", "minutes", minutes, above=0)
    check_optuna(sampler, pruner)
    began = time.perf_counter()
    start = searchable(config)
    ranges = ranges_of(start, search, set(fixed))
    asked = {
        "environment": config.environment,
        "method": config.method,
        "config": config.to_dict(),
        "ranges": {name: found.text() for name, found in ranges.items()},
        "sampler": sampler,
        "pruner": pruner,
    }
    open_folder(place, asked)
    study = Study(place / JOURNAL, ranges, sampler=sampler, pruner=pruner, seed=config.seed)
    study.start_from(start)
    ended = len(study.ended())
    if before is not None:
        before(study.ended())
    try:
        while ended < trials:
            if minutes is not None and ended and time.perf_counter() - began > 60 * minutes:
                break
            trial = one_trial(study, config, environment, owns_process)
            ended += 1
            if callback is not None:
                callback(trial)
            if trial.reason:
                LOGGER.warning("Trial %d failed: %s", trial.number, trial.reason)
        runs = {"environment": environment, "owns_process": owns_process}
        best, first = study.best(), study.ended()[0]
        winner = fresh_runs("winner", best, config, place, fresh_seeds, **runs)
        same = best.number == first.number
        other = winner if same else fresh_runs("start", first, config, place, fresh_seeds, **runs)
    except KeyboardInterrupt as stopped:  # `Stopped` within a run, a bare one between them
        finished = len(study.ended())
        text = f"Interrupted; trials saved in {place}: {finished}. Go on by the same call."
        raise Stopped(text, getattr(stopped, "exit_code", 130) - 128) from None
    preset = write_preset(place, with_settings(config, best.settings))
    title = f"{config.method} on {config.environment}"
    return Tuning(title, tuple(study.ended()), winner, other, preset, place)


def one_trial(
    study: Study,
    config: RunConfig,
    environment: Environment | GymnasiumSpec | None,
    owns_process: bool,
) -> Trial:
    """Asks for settings, trains with them, and tells what they are worth."""
    trial, suggested = study.ask()
    settings = fitted(config, suggested)
    pruned = []

    def watch(record: EvaluationRecord) -> bool:
        if record.final:
            return True
        trial.report(record.mean, record.step)
        if trial.should_prune():
            pruned.append(record.step)
        return not pruned

    try:
        found = run(
            bare(with_settings(config, settings)),
            reporter=Silent(),
            environment=environment,
            owns_process=owns_process,
            callback=watch,
        )
    except UpslopeError as error:  # numbers that do not fit each other, or a search that diverged
        return study.tell(trial, settings, None, "failed", str(error))
    if pruned:
        return study.tell(trial, settings, None, "pruned")
    value = float(np.mean(found.returns))
    if not math.isfinite(value):
        return study.tell(trial, settings, None, "failed", f"Its mean return is {value}.")
    return study.tell(trial, settings, value)


def bare(config: RunConfig) -> RunConfig:
    """The configuration of a trial: no dashboards, no rules that end it."""
    return dataclasses.replace(config, loggers=[], stop_at=None, patience=None)


def fresh_runs(
    label: str,
    trial: Trial,
    config: RunConfig,
    place: Path,
    seeds: int,
    *,
    environment: Environment | GymnasiumSpec | None,
    owns_process: bool,
) -> FreshRuns:
    """Trains with a trial's settings on seeds that no trial has seen, or finds it done."""
    fresh = dataclasses.replace(
        bare(with_settings(config, trial.settings)),
        seeds=seeds,
        seed=(config.seed + 1) % 2**32,
    )
    folder = place / f"trial-{trial.number}-seeds-{seeds}"
    found: Run
    if (folder / "status.json").is_file():
        state = RunFolder.open(folder, lock=False)
        begun = RunConfig.from_dict(state.config())
        if not is_of(begun, RunConfig.from_dict(fresh.to_dict())):
            raise StorageError(f"{folder} holds another run. Choose another folder with --out.")
        if state.status().get("state") == "done":
            found = Run.load(folder)
        else:
            found = resume(
                folder, environment=environment, reporter=Silent(), owns_process=owns_process
            )
    else:
        found = run(
            fresh,
            out=folder,
            reporter=Silent(),
            environment=environment,
            owns_process=owns_process,
        )
    return FreshRuns(label, trial.number, trial.value, np.asarray(found.returns), folder)


def searchable(config: RunConfig) -> dict[str, Any]:
    """Numbers and switches of the method and the objective, with the values they have."""
    target = METHODS.get(config.method)
    start = {**method_settings(target), **config.method_settings}
    start.pop("total_timesteps", None)
    # What bounds another size of the population stays in its proportion.
    if {"n_elites", "n_parents", "n_directions"} & start.keys():
        start = {name: value for name, value in start.items() if name != "population_size"}
    own = {**settings_of(OBJECTIVES.get(config.objective)), **config.objective_settings}
    if isinstance(own.get("gamma"), int | float):
        start["gamma"] = own["gamma"]
    return {name: plain(value) for name, value in start.items()}


def ranges_of(
    start: Mapping[str, Any], search: Search | None, fixed: set[str]
) -> dict[str, Searched]:
    """What is searched, and where.

    Raises:
      UpslopeError: nothing is left to search, a name that is nobody's setting, or a text that is
        no range.
    """
    if search is None:
        found = default_ranges({k: v for k, v in start.items() if k not in fixed})
        if not found:
            raise UpslopeError(
                "tune() knows no usual ranges for this method: say what is searched, such as "
                "search={'std': '0.01:1:log'} or --search std=0.01:1:log."
            )
        return found
    table: dict[str, Any] = dict(search) if isinstance(search, Mapping) else dict.fromkeys(search)
    ranges: dict[str, Searched] = {}
    for name, given in table.items():
        if name not in start:
            raise unknown_name("setting to search", str(name), start)
        if given is None:
            ranges[name] = range_for(name, start[name])
        else:
            fractions = isinstance(start[name], float)
            ranges[name] = parse_range(name, given, fractions) if isinstance(given, str) else given
    if not ranges:
        raise UpslopeError("tune() got an empty search: name at least one setting.")
    return ranges


def fitted(config: RunConfig, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose sizes divide what they have to divide, such as minibatches their batch."""
    target = METHODS.get(config.method)
    values = {**method_settings(target), **config.method_settings, **settings}
    found = dict(settings)
    for name, others in defaults_of(target).divides.items():
        sizes = [values[other] for other in others]
        whole = all(type(size) is int and size > 0 for size in (values[name], *sizes))
        if whole and math.prod(sizes) % values[name]:
            found[name] = math.gcd(values[name], math.prod(sizes))
    return found


def with_settings(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """A configuration with other settings of its method and its objective."""
    objective = settings_of(OBJECTIVES.get(config.objective))
    of_method = method_settings(METHODS.get(config.method))
    method, goal = dict(config.method_settings), dict(config.objective_settings)
    for name, value in settings.items():
        if name in of_method:
            method[name] = value
        elif name in objective:
            goal[name] = value
    return dataclasses.replace(config, method_settings=method, objective_settings=goal)
