"""Compares runs: which may be, and by which numbers."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from upslope.comparison import aggregates
from upslope.comparison.comparison import Comparison, Contender, Group
from upslope.comparison.stratified_bootstrap import Interval, interval
from upslope.core.checks import StorageError, UpslopeError
from upslope.training.run import Run
from upslope.training.run_folder import RunFolder

RunLike: TypeAlias = Run | str | Path
THRESHOLDS = 101
CURVE_RESAMPLES = 2000
# What a run says of how it ended, where it has not failed or been interrupted.
FINISHED = ("done", "stop_at", "patience", "callback")


def compare(
    runs: Iterable[RunLike] | Mapping[str, RunLike],
    *,
    target: float | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Runs against each other: aggregates over seeds with stratified bootstrap intervals.

        upslope.compare(["runs/CartPole-v1/ppo", "runs/CartPole-v1/cem"])

    Scores are the returns of the last evaluation, one number a seed. Runs whose environment,
    budget, way of evaluation or versions differ are put into groups of their own, and a note says
    what differs; unfinished runs are left out, and a note names them. Another names those that
    ended before their budget, by a rule of stopping or by themselves.

    Args:
      runs: runs or run folders; a mapping gives them labels.
      target: a return to reach, from which the optimality gap is taken; None: no such column.
      confidence: of the intervals.
      resamples: of the bootstrap; curves and profiles take at most 2,000.
      seed: of the bootstrap.

    Raises:
      UpslopeError: no run that is finished, or one folder twice.
      StorageError: a folder is no run folder, or damaged.
    """
    named = runs if isinstance(runs, Mapping) else None
    given = list(runs.values()) if isinstance(runs, Mapping) else as_list(runs)
    opened = [run if isinstance(run, Run) else Run.load(run) for run in given]
    places = [run.folder.resolve() for run in opened if run.folder is not None]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise UpslopeError(f"compare got the run {twice} twice: name each run once.")
    labels = [str(label) for label in named] if named is not None else labels_of(opened)
    notes: list[str] = []
    groups: dict[str, list[tuple[str, Run]]] = {}
    shared: dict[str, dict[str, Any]] = {}
    for label, run in zip(labels, opened, strict=True):
        if run.summary.reason not in FINISHED or not run.evaluations:
            notes.append(f"{label} is left out: its state is {run.summary.reason!r}.")
            continue
        notes += ended_early(label, run)
        found = conditions(run)
        key = json.dumps(found, sort_keys=True, default=str)
        shared[key] = found
        groups.setdefault(key, []).append((label, run))
    if not groups:
        raise UpslopeError(f"compare got no finished run. {' '.join(notes)}".strip())
    notes += differences(groups, shared)
    settings: dict[str, Any] = {"confidence": confidence, "resamples": resamples, "seed": seed}
    compared = [compared_group(shared[key], groups[key], target, settings) for key in groups]
    return Comparison(tuple(compared), tuple(notes), confidence)


def ended_early(label: str, run: Run) -> list[str]:
    """What is said of a run whose seeds took fewer steps than their budget; nothing of others."""
    budget, taken = run.config.total_timesteps, run.summary.steps
    if (taken >= budget).all():
        return []
    which = (
        f"{taken.min():,}" if taken.min() == taken.max() else f"{taken.min():,} to {taken.max():,}"
    )
    return [f"{label} ended early: its seeds took {which} of {budget:,} steps."]


def as_list(runs: Iterable[RunLike]) -> list[RunLike]:
    """Runs as a list; a single one is refused, since text would be taken letter by letter."""
    if isinstance(runs, str | Path | Run):
        raise UpslopeError("compare takes several runs: upslope.compare([run, other]).")
    return list(runs)


def labels_of(runs: list[Run]) -> list[str]:
    """The method of each run; where that is not unique, with its folder or its number."""
    methods = [run.config.method for run in runs]
    names = [
        method if methods.count(method) == 1 else f"{method} ({place_of(run, number)})"
        for number, (method, run) in enumerate(zip(methods, runs, strict=True))
    ]
    return [
        name if names.count(name) == 1 else f"{methods[number]} ({runs[number].folder or number})"
        for number, name in enumerate(names)
    ]


def place_of(run: Run, number: int) -> str:
    """The last part of a run's folder, or its number where it has none."""
    return str(number) if run.folder is None else Path(run.folder).name


def conditions(run: Run) -> dict[str, Any]:
    """What must be equal for two runs to be compared."""
    config = run.config
    found: dict[str, Any] = {
        "environment": config.environment,
        "environment_settings": config.environment_settings,
        "total_timesteps": config.total_timesteps,
        "final_episodes": config.final_episodes,
        "evaluation_share": config.evaluation_share,
        "evaluation_limit": config.evaluation_limit,
        "deterministic_evaluation": config.deterministic_evaluation,
        "evaluation_environment": config.evaluation_environment or config.environment,
        "evaluation_environment_settings": config.evaluation_environment_settings,
    }
    return found | {f"version of {name}": value for name, value in versions(run).items()}


def versions(run: Run) -> dict[str, str]:
    """Versions of the packages that environments come from, as the run folder records them."""
    packages: object = None
    if run.folder is not None:
        try:
            packages = RunFolder.open(run.folder, lock=False).environment().get("packages")
        except StorageError:  # a damaged record: then they are not known
            packages = None
    if not isinstance(packages, Mapping):
        from upslope.training.provenance import package_versions

        packages = package_versions() if run.folder is None else {}
    return {name: str(packages.get(name)) for name in ("upslope", "gymnasium")}


def differences(
    groups: Mapping[str, list[tuple[str, Run]]], shared: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Why runs are kept apart, a line for each group after the first."""
    (first, members), *others = groups.items()
    lines: list[str] = []
    for key, apart in others:
        unlike = [
            f"{name.replace('_', ' ')} {shared[key][name]!r}, not {value!r}"
            for name, value in shared[first].items()
            if shared[key][name] != value
        ]
        lines.append(
            f"{', '.join(label for label, _ in apart)} cannot be compared with "
            f"{', '.join(label for label, _ in members)}: {'; '.join(unlike)}."
        )
    return lines


def compared_group(
    shared: Mapping[str, Any],
    members: list[tuple[str, Run]],
    target: float | None,
    settings: dict[str, Any],
) -> Group:
    """The numbers of runs that may be compared."""
    scores = {label: run.returns[:, None] for label, run in members}
    everything = np.concatenate(list(scores.values()))
    thresholds = np.linspace(everything.min(), everything.max(), THRESHOLDS)
    statistics = {
        "interquartile_mean": aggregates.interquartile_mean,
        "mean": aggregates.mean,
        "median": aggregates.median_of_runs,
    }
    if target is not None:
        statistics["optimality_gap"] = functools.partial(aggregates.optimality_gap, target=target)
    profile = functools.partial(aggregates.performance_profile, thresholds=thresholds)
    fewer = settings | {"resamples": min(settings["resamples"], CURVE_RESAMPLES)}
    contenders = [
        Contender(
            label,
            run.folder,
            run.returns,
            {
                name: interval(statistic, scores[label], **settings)
                for name, statistic in statistics.items()
            },
            np.array([evaluation.steps.mean() for evaluation in run.evaluations]),
            curve(run, fewer),
            interval(profile, scores[label], **fewer),
        )
        for label, run in members
    ]
    improvement = {
        (first, second): interval(
            aggregates.probability_of_improvement, scores[first], scores[second], **settings
        )
        for first, second in permutations(scores, 2)
    }
    return Group(shared, tuple(contenders), thresholds, improvement)


def curve(run: Run, settings: dict[str, Any]) -> Interval:
    """The interquartile mean over seeds at each evaluation [K]: the sample-efficiency curve."""
    # A folder has the last evaluation in full as the mean of each seed alone.
    means = [evaluation.returns.mean(axis=1) for evaluation in run.evaluations[:-1]]
    points = [
        interval(aggregates.interquartile_mean, returns[:, None], **settings)
        for returns in [*means, run.returns]
    ]
    return Interval(*(np.array([float(end) for end in ends]) for ends in zip(*points, strict=True)))
