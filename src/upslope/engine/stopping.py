"""When a run ends before its budget: decided at evaluations, from what is saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from upslope.engine.progress import Evaluation


class Ending(NamedTuple):
    """Why a run ended before its budget."""

    reason: str  # "stop_at", "patience" or "callback"
    text: str  # a sentence


class StoppingRule(NamedTuple):
    """Ends a run by the mean evaluation return: over episodes, then over seeds.

    It is a function of the evaluations so far and of nothing else, so that a run that was killed
    and resumed ends at the same step. One evaluation that is high by luck is enough for `stop_at`:
    the final evaluation is of fresh episodes and says what the policies are worth.

    Attributes:
      stop_at: ends the run at the first evaluation whose mean return is at least this.
      patience: ends it at the evaluation that completes so many in a row without a mean return
        above the best one before them.
    """

    stop_at: float | None = None
    patience: int | None = None

    def __call__(self, evaluations: Sequence[Evaluation]) -> Ending | None:
        """Whether the latest evaluation ends the run.

        Args:
          evaluations: all that were made on the way, in order.
        """
        means = [mean_return(one) for one in evaluations]
        if not means:
            return None
        step = int(evaluations[-1].steps.min())
        if self.stop_at is not None and means[-1] >= self.stop_at:
            return Ending(
                "stop_at",
                f"Ended after {step:,} steps per seed by stop_at={self.stop_at:g}: the mean "
                f"evaluation return over seeds was {means[-1]:.5g}.",
            )
        since = len(means) - 1 - int(np.argmax(means))  # the first of equals is the best one
        if self.patience is not None and since >= self.patience:
            return Ending(
                "patience",
                f"Ended after {step:,} steps per seed by patience={self.patience}: the mean "
                f"evaluation return over seeds has not risen above {max(means):.5g} in "
                f"{since} evaluation{'s' * (since != 1)}.",
            )
        return None


def mean_return(evaluation: Evaluation) -> float:
    """The mean return over seeds, all of which have as many episodes."""
    return float(evaluation.returns.mean())
