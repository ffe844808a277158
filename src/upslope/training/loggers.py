"""Where metrics go: always into the run folder, and to dashboards on request."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from upslope.core.checks import UpslopeError, missing_extra, unknown_name
from upslope.training.mlflow_sink import MlflowSink
from upslope.training.sink import Dashboard, Outcome, Sink
from upslope.training.tensorboard_sink import TensorBoardSink
from upslope.training.wandb_sink import WandbSink, check_wandb

# The names that users of Stable-Baselines3 have on their dashboards.
EPISODE_RETURN = "rollout/ep_rew_mean"
EPISODE_LENGTH = "rollout/ep_len_mean"
STEPS_PER_SECOND = "time/fps"
ITERATIONS = "time/iterations"
ELAPSED = "time/time_elapsed"
TOTAL_TIMESTEPS = "time/total_timesteps"
EVALUATION_RETURN = "eval/mean_reward"
EVALUATION_LENGTH = "eval/mean_ep_length"


def train_key(name: str) -> str:
    """The key of one of the method's diagnostics."""
    return f"train/{name}"


class Logger(NamedTuple):
    """A kind of dashboard.

    Attributes:
      label: what people call it.
      package: that it needs; the extra has the logger's own name.
      open: begins or continues a run there.
      check: raises an `UpslopeError` where it is known before the run that nothing can be written.
    """

    label: str
    package: str
    open: Callable[[Dashboard], Sink]
    check: Callable[[], None] = lambda: None


LOGGERS: Mapping[str, Logger] = {
    "tensorboard": Logger("TensorBoard", "tensorboardX", TensorBoardSink),
    "wandb": Logger("W&B", "wandb", WandbSink, check_wandb),
    "mlflow": Logger("MLflow", "mlflow", MlflowSink),
}


class Sinks:
    """Several dashboards as one, none of which can end the run.

    The first failure of each is told; nothing more is written there.

    Args:
      note: who is told.
    """

    def __init__(self, note: Callable[[str], None]):
        self._note = note
        self._sinks: dict[str, Sink] = {}
        self.failures: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._sinks)

    def open(self, name: str, dashboard: Dashboard) -> str | None:
        """Opens one; returns by what it is continued, None where it failed."""
        try:
            self._sinks[name] = sink = LOGGERS[name].open(dashboard)
        except Exception as error:
            self._failed(name, error)
            return None
        if sink.where:
            self._note(f"{LOGGERS[name].label}: {sink.where}")
        return sink.id

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Hands the row to each."""
        for name, sink in list(self._sinks.items()):
            try:
                sink.write(step, values)
            except Exception as error:
                del self._sinks[name]
                self._failed(name, error)

    def close(self, outcome: Outcome) -> None:
        """Closes each, even when one of them raises."""
        while self._sinks:
            name, sink = self._sinks.popitem()
            try:
                sink.close(outcome)
            except Exception as error:
                self._failed(name, error)

    def _failed(self, name: str, error: Exception) -> None:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        text = (
            f"Logging to {LOGGERS[name].label} failed ({lines[0]:.200}). The run goes on without "
            "it; metrics.jsonl in the run folder has every row."
        )
        self.failures.append(text)
        self._note(text)


def names_of_loggers(names: str | Iterable[str]) -> list[str]:
    """One name or several, as a list without repetitions.

    Raises:
      UpslopeError: for an unknown name, or what is none; the nearest known one is offered.
    """
    if not isinstance(names, str | Iterable):
        raise UpslopeError(
            f"train() got loggers={names!r:.80}: must be names, of {', '.join(LOGGERS)}."
        )
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if not isinstance(name, str) or name not in LOGGERS:
            raise unknown_name("logger", str(name), LOGGERS)
    return list(dict.fromkeys(names))


def check_loggers(names: str | Iterable[str]) -> list[str]:
    """The names as a list, checked before anything is written.

    Raises:
      UpslopeError: for an unknown name, one whose extra is not installed, or one that is known to
        be unable to write.
    """
    names = names_of_loggers(names)
    for name in names:
        logger = LOGGERS[name]
        if logger.package not in sys.modules and importlib.util.find_spec(logger.package) is None:
            raise missing_extra(f"Logging to {logger.label}", logger.package, name)
        logger.check()
    return names
