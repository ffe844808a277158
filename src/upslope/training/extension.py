"""A run that goes further than it was first asked to."""

from __future__ import annotations

import dataclasses
import math

from upslope.core.checks import UpslopeError, check_number
from upslope.core.counts import whole
from upslope.search.search_method import SearchMethod
from upslope.training.config import RunConfig


def extended(config: RunConfig, total_timesteps: object, taken: int) -> RunConfig:
    """The configuration of a run with a larger budget, evaluated as often per step as before.

    Args:
      config: of the run so far.
      total_timesteps: environment steps of each seed, those that are behind included.
      taken: steps that each seed has taken already.

    Raises:
      UpslopeError: a budget that the run has reached already.
    """
    budget = whole(total_timesteps)
    check_number("resume", "total_timesteps", budget, at_least=1, integer=True)
    assert isinstance(budget, int)
    behind = max(config.total_timesteps, taken)
    if budget < config.total_timesteps or budget <= taken:
        raise UpslopeError(
            f"resume got total_timesteps={budget:,}: it counts all steps of a seed from the "
            f"beginning, and the run has {'taken' if taken >= behind else 'a budget of'} "
            f"{behind:,}. Give more than that."
        )
    evaluations = math.ceil(config.evaluations * budget / config.total_timesteps)
    return dataclasses.replace(config, total_timesteps=budget, evaluations=evaluations)


def said_of_extension(before: RunConfig, after: RunConfig, method: SearchMethod) -> list[str]:
    """Lines about schedules that last as long as the budget: they are those of the new one.

    Args:
      before: the run as it was.
      after: as it goes on.
      method: what searches.
    """
    names = method.scheduled_by_budget()
    if not names or after.total_timesteps == before.total_timesteps:
        return []
    return [
        f"{', '.join(names)} of {after.method} {'follows' if len(names) == 1 else 'follow'} the "
        f"share of the budget that is left, now of {after.total_timesteps:,} steps instead of "
        f"{before.total_timesteps:,}: the run is not the one that this budget would have given "
        "from the beginning."
    ]
