"""From a name to a trained policy with evidence: the main job."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from upslope.core.checks import UpslopeError, check_path, check_table
from upslope.engine.history import History
from upslope.engine.loop import Cursor, Hooks, Interrupted, evaluate_solutions, search
from upslope.engine.progress import Reporter, Summary, Times
from upslope.engine.stopping import StoppingRule
from upslope.environments import make
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.search.search_method import SearchMethod
from upslope.training.advice import closing_advice
from upslope.training.agent import Agent, load
from upslope.training.build import Built, build
from upslope.training.config import RunConfig, check_imports, resolve
from upslope.training.evaluate_run import evaluate
from upslope.training.evaluation_bound import decided
from upslope.training.extension import extended, said_of_extension
from upslope.training.given_environment import again, must_be_built, named, needs_giving
from upslope.training.loggers import check_loggers
from upslope.training.printed_command import printed_command
from upslope.training.programs import make_program, schedule_of
from upslope.training.recorder import RunRecorder
from upslope.training.run import Run
from upslope.training.run_folder import RunFolder
from upslope.training.signals import Stopped, StopSignals
from upslope.training.start_policy import start_agent, started_at
from upslope.training.unasked import said_after, said_before
from upslope.training.watcher import Callback, Watcher, check_callback
from upslope.training.watching import watched

if TYPE_CHECKING:
    from upslope.environments.factory import EnvironmentLike

__all__ = ["evaluate", "load", "resume", "run", "train"]


def train(
    environment: EnvironmentLike,
    method: str | None = None,
    *,
    out: str | Path | None = None,
    progress: bool | None = None,
    reporter: Reporter | None = None,
    loggers: str | Iterable[str] = (),
    environment_settings: Mapping[str, Any] | None = None,
    evaluation_environment: EnvironmentLike | None = None,
    evaluation_environment_settings: Mapping[str, Any] | None = None,
    start_from: str | Path | Agent | None = None,
    use_preset: bool = True,
    callback: Callback | None = None,
    **settings: Any,
) -> Run:
    """Searches for a policy: several seeds, evaluated on held-out episodes.

    Args:
      environment: a name (`upslope list envs`), a registered Gymnasium id, an environment of
        Upslope or Gymnasium, or a function that builds one.
      method: a name (`upslope list methods`); None for the preset's choice.
      out: the run folder to write; None to write nothing.
      progress: whether the progress is shown; None: where a person watches, in a notebook or a
        terminal.
      reporter: who is told of the progress instead. Without either it is Python's logger
        "upslope", which is told of notes and evaluations in any case.
      loggers: `"tensorboard"`, `"wandb"`, `"mlflow"`, beside the run folder's own log.
      environment_settings: fields of the environment.
      evaluation_environment: where held-out episodes are played, with the same spaces; given as
        `environment` is. None: in the environment that is trained on.
      evaluation_environment_settings: fields of it.
      start_from: a run or policy folder, or an agent: every seed begins at its policy, of a run
        that of the best seed, instead of a fresh one. Its spaces, kind and sizes are the run's.
      use_preset: whether tuned settings for this environment and method apply.
      callback: called with an `EvaluationRecord` at every evaluation; one that returns False ends
        the run there.
      **settings: of the run (`total_timesteps`, `seeds`, `seed`, ...), the method, the policy
        (`policy`, `hidden`, ...) and the objective (`objective`, `gamma`, ...), by name.

    Returns:
      The policies of all seeds, learning curves and evaluations.

    Raises:
      UpslopeError: bad input, before any work starts; or what went wrong.
      Stopped: a signal ended it, a `KeyboardInterrupt`; with `out` everything is saved.
    """
    began = time.perf_counter()
    given = evaluated = None
    if must_be_built(environment):
        table = check_table("train", "environment_settings", environment_settings)
        given = make(environment, **table)
        name, environment_settings = named(environment, given, table)
    else:
        name = str(environment)
    if evaluation_environment is not None and must_be_built(evaluation_environment):
        table = check_table(
            "train", "evaluation_environment_settings", evaluation_environment_settings
        )
        evaluated = make(evaluation_environment, **table)
        evaluation_environment, evaluation_environment_settings = named(
            evaluation_environment, evaluated, table
        )
    agent = None if start_from is None else start_agent(start_from)
    if agent is not None:
        settings["start_from"] = str(start_from) if agent is not start_from else repr(agent)
    settings["loggers"] = loggers
    settings["evaluation_environment"] = evaluation_environment
    settings["evaluation_environment_settings"] = evaluation_environment_settings
    config = resolve(
        name,
        method,
        settings,
        environment_settings=environment_settings,
        use_preset=use_preset,
    )
    return run(
        config,
        out=out,
        progress=progress,
        reporter=reporter,
        import_seconds=time.perf_counter() - began,
        environment=given,
        evaluation_environment=evaluated,
        start=agent,
        callback=callback,
    )


def run(
    config: RunConfig,
    *,
    out: str | Path | None = None,
    root: str | Path | None = None,
    progress: bool | None = False,
    reporter: Reporter | None = None,
    import_seconds: float = 0.0,
    owns_process: bool = False,
    environment: Environment | GymnasiumSpec | None = None,
    evaluation_environment: Environment | GymnasiumSpec | None = None,
    start: Agent | None = None,
    callback: Callback | None = None,
) -> Run:
    """Does what a configuration says.

    Args:
      config: resolved.
      out: the run folder to write; None for a new one under `root`, or none at all.
      root: the folder of runs.
      progress: see `train`.
      reporter: see `train`.
      import_seconds: what the imports took, for the account of times.
      owns_process: whether a second signal ends the process at once; a call from a program raises
        `KeyboardInterrupt` instead.
      environment: to use instead of the one that is named.
      evaluation_environment: likewise.
      start: whose policy every seed begins at; None: that which the configuration names.
      callback: see `train`.

    Raises:
      UpslopeError: a callback that cannot be called.
      Stopped: a signal ended it; with a run folder everything is saved.
    """
    path = None if out is None else check_path("train()", "out", out)
    base = None if root is None else check_path("train()", "root", root)
    check_callback("train()", callback)
    began = time.perf_counter()
    built = build(config, environment, evaluation_environment)
    if start is None and config.start_from is not None:
        start = start_agent(config.start_from)
    if start is not None:
        built = started_at(built, start)
    config = decided(config, built)
    loggers = check_loggers(config.loggers)
    folder = None
    if path is not None or base is not None:
        folder = RunFolder.create(base, config.environment, config.method, path=path)
    times = Times(imports=import_seconds)
    try:
        if folder is not None:
            folder.write_config(config.to_dict())
            folder.record_provenance()
            if start is not None:
                start.save(folder.start)
        with watched(reporter, progress, config) as told:
            recorder = RunRecorder(folder, loggers, config, told.note)
            times.compile += time.perf_counter() - began
            for text in said_before(config, built):
                recorder.note(text)
            signals = _signals(told, owns_process)
            return _go(config, built, recorder, times, told, signals, callback)
    finally:
        if folder is not None:
            folder.close()


def resume(
    path: str | Path,
    *,
    total_timesteps: int | None = None,
    environment: EnvironmentLike | None = None,
    evaluation_environment: EnvironmentLike | None = None,
    progress: bool | None = None,
    reporter: Reporter | None = None,
    loggers: str | Iterable[str] | None = None,
    import_seconds: float = 0.0,
    owns_process: bool = False,
    callback: Callback | None = None,
) -> Run:
    """Goes on with a run that was stopped, or further than it went, from its last whole checkpoint.

    The result is that of the run without the interruption, bit for bit; on simulators, too, if they
    are reproducible from their seeds. A process with fewer devices than the run began with gives it
    up to rounding, and says so in a note: see `upslope.configure(devices=...)`.

    Args:
      path: the run folder.
      total_timesteps: a larger budget for each seed, the steps behind it included; evaluations
        come as often per step as before. A method without schedules gives the run that this budget
        would have given from the beginning. None: the budget that the run has.
      environment: that of the run, where it was passed to `train` as an object or is code of the
        user's own, which a run folder records by name and never imports.
      evaluation_environment: likewise.
      progress: see `train`.
      reporter: see `train`.
      loggers: these dashboards from now on; None: those that the run had.
      owns_process: see `run`.
      callback: see `train`. It is no part of what is saved: give it again.

    Raises:
      StorageError: no run folder, another process holds it, or nothing whole to go on from.
      UpslopeError: the run is done and gets no larger budget, was in an environment that has to be
        given again, or the one that is given has other spaces.
      Stopped: a signal ended it; everything is saved.
    """
    check_callback("resume", callback)
    folder = RunFolder.open(check_path("resume", "path", path))
    try:
        status, config = folder.status(), RunConfig.from_dict(folder.config())
        if status["state"] == "done" and total_timesteps is None:
            raise UpslopeError(
                f"{path} is already complete: nothing to resume. Evaluate it with "
                f"`{printed_command('evaluate', path, config)}`, or go further with "
                f"`{printed_command('resume', path, config)} --total_timesteps "
                f"{2 * config.total_timesteps}`."
            )
        changes = folder.changes(config.to_dict())
        before = config
        if total_timesteps is not None:
            config = extended(config, total_timesteps, int(status.get("step") or 0))
        began = time.perf_counter()
        check_imports(config.imports, str(path))
        settings = config.environment_settings
        given = None if environment is None else again(environment, settings)
        settings = config.evaluation_environment_settings
        evaluated = evaluation_environment
        evaluated = None if evaluated is None else again(evaluated, settings)
        built = build(config, given, evaluated)
        if config.start_from is not None:
            built = started_at(built, load(folder.start))
        times = Times(imports=import_seconds)
        if loggers is None:
            known = folder.dashboards()
            loggers = config.loggers if known is None else list(known)
        with watched(reporter, progress, config) as told:
            recorder = RunRecorder(folder, check_loggers(loggers), config, told.note)
            if changes:
                recorder.note(
                    f"config.yaml is not what this run began with ({'; '.join(changes)}): it goes "
                    "on by the new settings, and no single configuration gives its numbers again."
                )
            if config != before:
                for text in said_of_extension(before, config, built.problem.method):
                    recorder.note(text)
                folder.extend(config.to_dict())
            folder.set_status("running")
            times.compile += time.perf_counter() - began
            signals = _signals(told, owns_process)
            going = "on" if total_timesteps is None else "further"
            return _go(config, built, recorder, times, told, signals, callback, going)
    finally:
        folder.close()


def _go(
    config: RunConfig,
    built: Built,
    recorder: RunRecorder,
    times: Times,
    reporter: Reporter,
    signals: StopSignals,
    callback: Callback | None,
    going: Literal["on", "further"] | None = None,
) -> Run:
    """Search, evaluate, save; and leave the folder in a state that says what happened.

    Without `going` the run begins; it goes on from where it stands, or further than its end.
    """
    steps, history = np.zeros(config.seeds, np.int64), History()
    watcher = Watcher(callback, StoppingRule(config.stop_at, config.patience))
    program = None
    signals.last_words = recorder.killed
    with signals:
        try:
            layout = recorder.layout(recorder.note) if going else None
            program = make_program(config, built, layout, recorder.first_budget())
            recorder.record_layout(program.layout)
            reporter.phase("compiling")
            schedule = schedule_of(config, built)
            with times.spent_on("bookkeeping", lambda: program.compile_seconds):
                program.compile(schedule.block, schedule.deterministic_evaluation)
            position = None
            if going:
                position = recorder.read(
                    program.shapes(),
                    history,
                    schedule,
                    recorder.note,
                    further=going == "further",
                )
            if signals.received is not None:
                raise _stopped(signals.received, recorder, position)
            with times.spent_on("bookkeeping"):
                recorder.open_dashboards(position)
            hooks = Hooks(
                reporter,
                recorder.record,
                recorder.save,
                lambda: signals.received is not None,
                watcher.decide,
                signals.interruptible,
            )
            position, done = search(program, schedule, history, times, hooks, position)
            steps = position.steps
            recorder.record_irreproducible(program.irreproducible)
            if not done:
                recorder.save(position)
                raise _stopped(signals.received, recorder, position)
            try:
                with times.spent_on("evaluation", lambda: program.compile_seconds):
                    final = evaluate_solutions(
                        program,
                        position.carry,
                        steps,
                        schedule,
                        schedule.evaluations,
                        history,
                        hooks,
                        final=True,
                    )
            except Interrupted:
                recorder.save(position)
                raise _stopped(signals.received, recorder, position) from None
            with times.spent_on("bookkeeping"):
                watcher.tell(history, final=True)
            advice = closing_advice(built.problem.method, history, final)
            notes = [] if position.ending is None else [position.ending.text]
            notes += [] if advice is None else [advice]
            notes += [program.irreproducible] if program.irreproducible else []
            notes += said_after(config, built, steps, final)
            notes += stop_notes(built.problem.method, program.stops(position.carry))
            seen = history.best_seen() if config.objective == "episodic" else None
            reason = "done" if position.ending is None else position.ending.reason
            summary = Summary(reason, steps, final, times, recorder.path, notes, seen)
            result = Run(
                config,
                program.solutions(position.carry),
                history,
                summary,
                built.observation_space,
                built.action_space,
            )
            if needs_giving(config.evaluation_environment or config.environment):
                result.given = built.evaluation_environment
            with times.spent_on("bookkeeping"):
                recorder.finish(result, position)
            notes += recorder.sinks.failures
            recorder.record_account(times, notes, seen)
            return result
        except BaseException as error:
            recorder.record_account(times, [])
            recorder.fail(error)
            raise
        finally:
            if program is not None:
                program.close()


def stop_notes(method: SearchMethod, stops: np.ndarray) -> list[str]:
    """Which seeds ended before the budget, and why, a line per reason."""
    notes = []
    for code in np.unique(stops[stops != 0]):
        seeds = np.flatnonzero(stops == code).tolist()
        who = (
            f"Seed {seeds[0]} stopped by itself"
            if len(seeds) == 1
            else (f"Seeds {', '.join(map(str, seeds))} stopped by themselves")
        )
        notes.append(f"{who}: {method.stop_reason(int(code))}.")
    return notes


def _signals(reporter: Reporter, owns_process: bool) -> StopSignals:
    return StopSignals(lambda: reporter.phase("stopping"), owns_process=owns_process)


def _stopped(number: int | None, recorder: RunRecorder, position: Cursor | None) -> Stopped:
    steps = 0 if position is None else int(position.steps.min())
    how = ""
    if recorder.path:
        how = f" Resume with: {printed_command('resume', recorder.path, recorder.config)}"
    if steps == 0:
        return Stopped(f"Interrupted before the first iteration.{how}", number or 15)
    kept = "state saved." if recorder.path else "nothing was saved (no out=)."
    return Stopped(f"Interrupted after {steps:,} steps per seed; {kept}{how}", number or 15)
