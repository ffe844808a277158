"""Simulators for a sampler: in this process when they are cheap, in worker processes when not."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from upslope.core.checks import UpslopeError, check_number
from upslope.core.said_once import close_quietly, warn_once
from upslope.sampling.simulators.action_log import ActionLog
from upslope.sampling.simulators.step_buffer import BufferLayout, SharedBuffer

if TYPE_CHECKING:
    from upslope.sampling.simulators.gymnasium_spaces import ObservationCoder
    from upslope.sampling.simulators.info_means import EpisodeMeans
    from upslope.sampling.simulators.watch import Remark

Workers = int | Literal["auto"]

# A command to a worker process and back costs about 0.1 ms: above this much work a step, other
# cores are worth it.
WORTH_PROCESSES = 2e-3  # seconds
TIMING_STEPS, TIMING_SECONDS = 100, 0.2


class SimulatorBackend(Protocol):
    """Simulators that step together."""

    name: str
    buffer: SharedBuffer

    @property
    def log(self) -> ActionLog | None:
        """Of the episodes under way; None where they cannot be replayed."""
        ...

    @property
    def remarks(self) -> list[Remark]:
        """What was seen of the simulators so far."""
        ...

    def take_infos(self) -> list[EpisodeMeans]:
        """What `info` held in the episodes that have ended since the last call."""
        ...

    def reset_counters(self) -> None:
        """A new call of the sampler begins."""

    def step_all(self) -> None:
        """Does what the buffer says and writes what came of it there."""

    def close(self) -> None:
        """Ends the simulators."""


class SimulatorInfo(NamedTuple):
    """What must be known of a simulator before a number of them is built."""

    name: str
    observations: ObservationCoder
    action_size: int
    action_dtype: np.dtype
    time_limit: int | None  # the environment's own
    seconds: float  # of one step

    def layout(self, count: int) -> BufferLayout:
        """Of a buffer for so many simulators."""
        leaves = tuple((shape, dtype.str) for shape, dtype in self.observations.leaves)
        return BufferLayout(count, leaves, self.action_size, self.action_dtype.str)


def describe(environment: Any, measure: bool) -> SimulatorInfo:
    """Builds one simulator of an environment, looks at it and closes it.

    Raises:
      UpslopeError: its spaces cannot be used, with the remedy.
    """
    from upslope.sampling.simulators.gymnasium_spaces import ActionCoder, ObservationCoder
    from upslope.sampling.simulators.simulators import guarded

    name = str(getattr(environment, "id", type(environment).__name__))
    env = guarded(environment.build, f"{name} could not be built")
    try:
        observations = ObservationCoder(env.observation_space, name)
        actions = ActionCoder(env.action_space, name)
        seconds = seconds_of_a_step(env) if measure else 0.0
        limit = getattr(env.spec, "max_episode_steps", None)
    finally:
        close_quietly(env, name)
    limit = limit if limit is not None and limit > 0 else None
    return SimulatorInfo(
        name,
        observations,
        actions.size,
        actions.dtype,
        limit,
        seconds,
    )


def seconds_of_a_step(env: Any) -> float:
    """The mean time of a step with random actions, resets included; 0 if it cannot be told."""
    try:
        env.action_space.seed(0)
        env.reset(seed=0)
        began, steps = time.perf_counter(), 0
        while steps < TIMING_STEPS and time.perf_counter() - began < TIMING_SECONDS:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            steps += 1
            if terminated or truncated:
                env.reset()
        return (time.perf_counter() - began) / max(steps, 1)
    except (Exception, SystemExit):  # the simulators themselves report what is wrong, and where
        return 0.0


def choose_workers(workers: Workers, count: int, seconds: float) -> int:
    """How many worker processes to use; 0 for none."""
    if workers != "auto":
        check_number("GymnasiumSampler", "workers", workers, at_least=0, integer=True)
        return min(int(workers), count)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if cores < 2 or count < 2 or count * seconds < WORTH_PROCESSES:
        return 0
    return min(cores, count)


def build_backend(
    environment: Any,
    described: SimulatorInfo,
    count: int,
    *,
    workers: Workers,
    autoreset: bool,
    limit: int | None,
    deadline: float,
    max_restarts: int,
) -> SimulatorBackend:
    """M simulators of an environment.

    Where processes would be used by `"auto"` and the environment cannot travel to them, the
    simulators are of this process, and a warning says why.

    Raises:
      UpslopeError: worker processes are demanded where only this process can build the environment.
    """
    from upslope.sampling.simulators.factories import CannotTravel, import_path, serialize_factory
    from upslope.sampling.simulators.simulators import Simulators
    from upslope.sampling.simulators.workers import WorkerPool

    layout, name = described.layout(count), described.name
    if processes := choose_workers(workers, count, described.seconds):
        try:
            if os.name != "posix":
                raise CannotTravel("processes of simulators need Linux or macOS")
            return WorkerPool(
                serialize_factory(environment),
                layout,
                name=name,
                path=import_path(environment),
                workers=processes,
                autoreset=autoreset,
                limit=limit,
                deadline=deadline,
                max_restarts=max_restarts,
            )
        except CannotTravel as error:
            if workers != "auto":
                raise UpslopeError(
                    f"workers={workers} needs {name} in another process, but {error}. Pass what "
                    "builds it, a class or a function that opens nothing before it is called, or "
                    "use workers=0."
                ) from error
            warn_once(f"{name} is simulated in this process alone: {error}.")
    return Simulators(
        environment.build,
        layout.buffer(),
        name=name,
        autoreset=autoreset,
        limit=limit,
        log=ActionLog(layout, autoreset),
    )
