"""The rows of a gradient check: many estimates, summed up and judged."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.diagnostics.check_estimators import EstimatorUnderTest, Inputs
from upslope.diagnostics.check_reference import Reference
from upslope.diagnostics.gradient_report import Row
from upslope.diagnostics.gradient_samples import (
    EpisodeBlocks,
    TrajectoryProgram,
    population_estimates,
)
from upslope.diagnostics.hidden_states import (
    MaskedObservation,
    Seen,
    StateNumberEnvironment,
    mask_again,
)
from upslope.diagnostics.verdicts import RunningMoments, Verdict, judge, threshold
from upslope.environments.environment import Environment


class Setup(NamedTuple):
    """What all rows of a check have in common."""

    key: Array
    environment: Environment
    inputs: Inputs
    batch: int  # N, episodes in an estimate
    batches: int  # B, estimates
    limit: int  # T, steps after which an episode is cut
    reference: Reference
    false_alarms: float  # of one row
    progress: Callable[[str], None] | None
    nonfinite: dict[str, str] | None  # why what gave such numbers is left out; None to raise

    def tell(self, name: str) -> None:
        """Whose turn it is."""
        if self.progress is not None:
            self.progress(name)

    def usable(self, subject: EstimatorUnderTest, rows: np.ndarray) -> bool:
        """Whether an estimator gave finite gradients [D] and has done so before.

        Raises:
          UpslopeError: it gave others, and nothing is to be left out.
        """
        size = self.reference.gradient.size
        if rows.shape[1] != size:
            raise UpslopeError(
                f"The estimator {subject.name!r} gives gradients of {rows.shape[1]} numbers, and "
                f"the policy has {size}: return a tree of the policy's structure."
            )
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if bad.size and self.nonfinite is None:
            raise UpslopeError(
                f"The estimator {subject.name!r} gave NaN or infinity in {bad.size} of {len(rows)} "
                "estimates: a policy that gives an action taken no probability has no score, and "
                "importance weights and the returns of unstable systems may overflow."
            )
        if bad.size:
            assert self.nonfinite is not None
            self.nonfinite[subject.name] = f"NaN or infinity in {bad.size} of {len(rows)} estimates"
        return self.nonfinite is None or subject.name not in self.nonfinite

    def judged(self, sums: RunningMoments) -> Verdict:
        """The verdict on what was summed up."""
        found = sums.measured()
        gradient, error, _ = self.reference
        bound = threshold(gradient.size, 1, self.false_alarms, found.count)
        return judge(found, gradient, error, bound)


def grouped(chosen: list[EstimatorUnderTest]) -> list[list[EstimatorUnderTest]]:
    """Those that can share their episodes together: the same policy acted."""
    groups: dict[Any, list[EstimatorUnderTest]] = {}
    for subject in chosen:
        who = subject.name if subject.population is not None else id(subject.behaviour)
        groups.setdefault(who, []).append(subject)
    return list(groups.values())


def measured_rows(setup: Setup, group: list[EstimatorUnderTest]) -> list[Row]:
    """The rows of estimators that share their episodes."""
    if group[0].population is not None:
        return population_rows(setup, group[0])
    inputs, environment, actor = setup.inputs, setup.environment, group[0].behaviour
    actor = inputs.policy if actor is None else actor
    opened = inputs.seen is not None and any(subject.of_state for subject in group)
    if opened:
        assert inputs.seen is not None
        environment, actor = (
            StateNumberEnvironment.of(environment),
            MaskedObservation(actor, Seen.of(inputs.seen)),
        )
    blocks = EpisodeBlocks(
        setup.key, environment, actor, inputs.objective, setup.batch, setup.batches, setup.limit
    )
    programs = [program_of(subject, inputs) for subject in group]
    moments = [RunningMoments(setup.reference.gradient) for _ in group]
    for number, states in enumerate(blocks):
        plain = states
        if opened:
            assert inputs.seen is not None
            plain = mask_again(states, inputs.seen)
        views = [states if subject.of_state else plain for subject in group]
        with ThreadPoolExecutor() as pool:  # programs are compiled side by side
            list(pool.map(lambda pair: pair[0].ready(pair[1]), zip(programs, views, strict=True)))
        for subject, program, block, sums in zip(group, programs, views, moments, strict=True):
            if number == 0:
                setup.tell(subject.name)
            rows = program(block)
            if setup.usable(subject, rows):
                sums.add(rows)
    return [
        Row(
            subject.name,
            setup.judged(sums),
            subject.declaration,
            setup.batch,
            blocks.steps / blocks.count,
            program.seconds / blocks.count,
            blocks.seconds / blocks.count,
            sums.mean,
            sums.measured().variance,
        )
        for subject, program, sums in zip(group, programs, moments, strict=True)
        if subject.name not in (setup.nonfinite or {})
    ]


def program_of(subject: EstimatorUnderTest, inputs: Inputs) -> TrajectoryProgram:
    """The program of an estimator, over states where it reads them."""
    policy = inputs.policy
    if subject.of_state and inputs.seen is not None:
        policy = MaskedObservation(policy, Seen.of(inputs.seen))
    assert subject.estimate is not None
    return TrajectoryProgram(subject.estimate, subject.numbers, policy, inputs.objective)


def population_rows(setup: Setup, subject: EstimatorUnderTest) -> list[Row]:
    """The row of an estimator from perturbed policies; none if it broke."""
    assert subject.population is not None
    setup.tell(subject.name)
    inputs, size = setup.inputs, subject.population.population_size
    sums, taken, seconds = RunningMoments(setup.reference.gradient), 0, 0.0
    for rows, steps, spent in population_estimates(
        setup.key,
        subject.population,
        setup.environment,
        inputs.policy,
        inputs.objective,
        max(inputs.episodes // size, 2),
        setup.limit,
    ):
        if not setup.usable(subject, rows):
            return []
        sums.add(rows)
        taken, seconds = taken + steps, seconds + spent
    found = sums.measured()
    row = Row(
        name=subject.name,
        verdict=setup.judged(sums),
        declaration=subject.declaration,
        episodes=size,
        steps=taken / found.count,
        seconds=0.0,
        sampling_seconds=seconds / found.count,
        mean=found.mean,
        variance=found.variance,
    )
    return [row]
