"""The one loop, and what surrounds it: configurations, run folders, checkpoints, agents.

The functional core for loops of one's own is `iterate`, `iteration_key` and `stream_key`. The main
job is in the module `upslope.training.train`; `upslope.train` is its function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upslope.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from upslope.training.agent import Agent
    from upslope.training.config import RunConfig, resolve
    from upslope.training.iteration import iterate, iteration_key, stream_key
    from upslope.training.problem import Problem
    from upslope.training.run import Run
    from upslope.training.run_folder import RunFolder

_HOMES = {
    "Agent": "agent",
    "Problem": "problem",
    "Run": "run",
    "RunConfig": "config",
    "RunFolder": "run_folder",
    "iterate": "iteration",
    "iteration_key": "iteration",
    "resolve": "config",
    "stream_key": "iteration",
}

__all__ = [
    "Agent",
    "Problem",
    "Run",
    "RunConfig",
    "RunFolder",
    "iterate",
    "iteration_key",
    "resolve",
    "stream_key",
]


__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
