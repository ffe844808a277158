"""How many episodes an evaluation plays where its steps are bounded by those of the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from upslope.engine.history import History
    from upslope.engine.loop import RunSchedule

# Of what evaluations may take, this share belongs to those on the way.
ON_THE_WAY = 0.5


def needs_pilot(schedule: RunSchedule, history: History, *, final: bool) -> bool:
    """Whether one episode is played first, to see how long they are, and counted in no mean.

    So where the evaluation that is due is the only one of its run.
    """
    bounded = schedule.evaluation_share is not None and schedule.final_episodes > 1
    return final and bounded and not history.evaluations


def evaluation_size(
    schedule: RunSchedule,
    history: History,
    steps: np.ndarray,
    *,
    final: bool,
    pilot: np.ndarray | None = None,
) -> int:
    """Held-out episodes of each seed in the evaluation that is due.

    With a share a of the schedule, evaluations on the way take at most a / 2 of the steps that the
    search has taken so far, and all of them with the last at most a of its steps, as far as can be
    known: an episode is taken to be as long as those of the evaluation before (those of training,
    where they are longer; the limit, where there is none). What one evaluation took too much, the
    next ones do without; each plays one episode at least.

    It is decided before the first of the episodes is played, from steps that are counted and never
    from seconds: it does not bias the mean, and a resumed run decides alike.

    Args:
      schedule: how many episodes there are at most, and the share; None: always so many.
      history: of the run so far.
      steps: [S], taken by each seed.
      final: the evaluation after the last step.
      pilot: lengths of the episodes [S] that were played first.
    """
    most = schedule.final_episodes if final else schedule.evaluation_episodes
    share = schedule.evaluation_share
    if share is None:
        return most
    spent = sum(float(e.lengths.sum()) / len(e.lengths) for e in history.evaluations)
    allowed = (share if final else share * ON_THE_WAY) * float(np.mean(steps)) - spent
    cost = episode_cost(schedule, history)
    if pilot is not None:
        cost = max(float(pilot.mean()), 1.0)
        allowed -= cost
    return int(np.clip(allowed // cost, 1, most))


def episode_cost(schedule: RunSchedule, history: History) -> float:
    """The steps that an episode of the evaluation that is due is taken to have, at least 1."""
    if not history.evaluations:
        return float(schedule.evaluation_limit)
    training = history.latest().get("length", np.zeros(0))
    known = training[np.isfinite(training)]
    longest = float(known.mean()) if known.size else 0.0
    longest = max(longest, float(history.evaluations[-1].lengths.mean()), 1.0)
    return min(longest, float(schedule.evaluation_limit))
