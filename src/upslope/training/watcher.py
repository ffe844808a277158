"""What looks on at the evaluations of a run, and may end it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from upslope.core.checks import UpslopeError
from upslope.engine.history import History
from upslope.engine.stopping import Ending, StoppingRule, mean_return
from upslope.training.statistics import bootstrap_interval


@dataclass(frozen=True)
class EvaluationRecord:
    """What a callback is told at an evaluation. Its arrays are read-only copies.

    Attributes:
      step: environment steps that every seed has taken at least.
      returns: [S], each seed's mean undiscounted return over held-out episodes.
      mean: of `returns`, what `stop_at` and `patience` go by.
      interval: 95 % bootstrap interval of that mean over seeds; (nan, nan) of one seed.
      lengths: [S], each seed's mean episode length.
      metrics: the latest of each logged column, `return`, `length`, `episodes` and the method's
        diagnostics: [S] each, NaN where a seed has none yet.
      elapsed: seconds since the run began or was resumed.
      final: whether this is the evaluation after the last step; what the callback returns then
        changes nothing.
    """

    step: int
    returns: np.ndarray
    mean: float
    interval: tuple[float, float]
    lengths: np.ndarray
    metrics: MappingProxyType[str, np.ndarray]
    elapsed: float
    final: bool


# Returns False to end the run, anything else to go on.
Callback: TypeAlias = Callable[[EvaluationRecord], bool | None]


class Watcher:
    """Tells a callback of every evaluation, and says whether the run ends there.

    Args:
      callback: the user's; None for none.
      rule: of the configuration.
    """

    def __init__(self, callback: Callback | None, rule: StoppingRule):
        self.callback, self.rule = callback, rule
        self.began = time.perf_counter()

    def decide(self, history: History) -> Ending | None:
        """Why the run ends at the latest evaluation; None where it goes on.

        The rule of the configuration comes first; the callback is called in any case.
        """
        ending, goes_on = self.rule(history.evaluations), self.tell(history)
        if ending is None and not goes_on:
            step = int(history.evaluations[-1].steps.min())
            text = f"Ended after {step:,} steps per seed by the callback, which returned False."
            return Ending("callback", text)
        return ending

    def tell(self, history: History, *, final: bool = False) -> bool:
        """Calls the callback; False if it wants the run to end."""
        if self.callback is None:
            return True
        answer = self.callback(record_of(history, time.perf_counter() - self.began, final=final))
        return not (isinstance(answer, bool | np.bool_) and not answer)


def record_of(history: History, elapsed: float, *, final: bool) -> EvaluationRecord:
    """The record of the latest evaluation."""
    evaluation = history.evaluations[-1]
    returns = evaluation.returns.mean(axis=1)
    return EvaluationRecord(
        step=int(evaluation.steps.min()),
        returns=read_only(returns),
        mean=mean_return(evaluation),
        interval=bootstrap_interval(returns, np.mean),
        lengths=read_only(evaluation.lengths.mean(axis=1)),
        metrics=MappingProxyType({k: read_only(v) for k, v in history.latest().items()}),
        elapsed=elapsed,
        final=final,
    )


def read_only(values: np.ndarray) -> np.ndarray:
    """A copy that cannot be written to."""
    copy = np.array(values)
    copy.flags.writeable = False
    return copy


def check_callback(owner: str, callback: object) -> None:
    """Raises unless a callback is None or can be called."""
    if callback is not None and not callable(callback):
        raise UpslopeError(
            f"{owner} got callback={callback!r:.80}: must be a function of one argument, an "
            "EvaluationRecord. It is called at every evaluation, and ends the run by returning "
            "False."
        )
