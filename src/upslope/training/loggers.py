"""Where metrics go: always into the run folder, and to TensorBoard or W&B on request."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from upslope.core.checks import missing_extra, unknown_name

# The names that users of Stable-Baselines3 have on their dashboards.
EPISODE_RETURN = "rollout/ep_rew_mean"
EPISODE_LENGTH = "rollout/ep_len_mean"
STEPS_PER_SECOND = "time/fps"
ITERATIONS = "time/iterations"
ELAPSED = "time/time_elapsed"
TOTAL_TIMESTEPS = "time/total_timesteps"
EVALUATION_RETURN = "eval/mean_reward"
EVALUATION_LENGTH = "eval/mean_ep_length"


# What a logger is called, and the package it needs; the extra has the logger's own name.
PACKAGES = {"tensorboard": ("TensorBoard", "tensorboardX"), "wandb": ("W&B", "wandb")}


def train_key(name: str) -> str:
    """The key of one of the method's diagnostics."""
    return f"train/{name}"


class Sink(Protocol):
    """Takes metrics. Keys are as above; `step` is environment steps of one seed."""

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Takes one row; a value is a number, or one number a seed [S]."""
        ...

    def close(self) -> None:
        """No more rows will come."""
        ...


class TensorBoardSink:
    """Scalars into TensorBoard event files.

    Args:
      folder: where they are written.

    Raises:
      UpslopeError: when tensorboardX is not installed.
    """

    def __init__(self, folder: Path):
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise missing_extra("Logging to TensorBoard", "tensorboardX", "tensorboard") from error
        self._writer = SummaryWriter(str(folder))

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes each finite value at `step`."""
        for key, value in _finite(values).items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Flushes and closes the event files."""
        self._writer.close()


class WandbSink:
    """Rows into a run of Weights & Biases.

    Args:
      folder: where its local files go.
      project: the project's name.
      name: the run's name.
      config: the run's settings.

    Raises:
      UpslopeError: when wandb is not installed.
    """

    def __init__(self, folder: Path, project: str, name: str, config: Mapping[str, Any]):
        try:
            import wandb  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise missing_extra("Logging to W&B", "wandb", "wandb") from error
        self._run = wandb.init(
            project=project, name=name, dir=str(folder), config=dict(config), reinit=True
        )

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Logs each finite value at `step`."""
        self._run.log(_finite(values), step=step)

    def close(self) -> None:
        """Ends the run there."""
        self._run.finish()


class Sinks:
    """Several sinks as one."""

    def __init__(self, sinks: Iterable[Sink]):
        self.sinks = list(sinks)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Hands the row to each."""
        for sink in self.sinks:
            sink.write(step, values)

    def close(self) -> None:
        """Closes each, even when one of them raises."""
        errors = []
        for sink in self.sinks:
            try:
                sink.close()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


def open_sinks(
    names: Iterable[str],
    folder: Path,
    *,
    project: str = "upslope",
    config: Mapping[str, Any] | None = None,
) -> Sinks:
    """The sinks named, "tensorboard" or "wandb", beside a run folder's own log.

    Raises:
      UpslopeError: for an unknown name, or one whose extra is not installed (all are checked
        before any is opened for long).
    """
    sinks: list[Sink] = []
    for name in names:
        if name == "tensorboard":
            sinks.append(TensorBoardSink(Path(folder) / "tensorboard"))
        elif name == "wandb":
            sinks.append(WandbSink(Path(folder), project, Path(folder).name, config or {}))
        else:
            raise unknown_name("logger", name, ("tensorboard", "wandb"))
    return Sinks(sinks)


def check_loggers(names: str | Iterable[str]) -> list[str]:
    """The names of further sinks as a list, checked before anything is written.

    Raises:
      UpslopeError: for an unknown name, or one whose extra is not installed.
    """
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in PACKAGES:
            raise unknown_name("logger", name, PACKAGES)
        what, package = PACKAGES[name]
        if package not in sys.modules and importlib.util.find_spec(package) is None:
            raise missing_extra(f"Logging to {what}", package, name)
    return names


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    """One number a key, the mean over seeds; NaN and infinities are left out."""
    means = {}
    for key, value in values.items():
        numbers = np.asarray(value, float)
        numbers = numbers[np.isfinite(numbers)]
        if numbers.size:
            means[key] = float(numbers.mean())
    return means
