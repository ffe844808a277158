"""The famous silent bugs of policy search, as small problems with exact answers.

`check(function, contract)` puts them to anybody's code: numpy arrays in, numpy arrays out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from upslope.core.checks import check_number, unknown_name
from upslope.testing.advantages import ADVANTAGES
from upslope.testing.contract import (
    TOLERANCE,
    Bug,
    Case,
    ConformanceError,
    Contract,
    Report,
    run,
)
from upslope.testing.densities import LOG_PROBABILITY, SQUASHED_LOG_PROBABILITY
from upslope.testing.episodes import EpisodeBatch
from upslope.testing.policy_gradients import OFF_POLICY_GRADIENT, POLICY_GRADIENT
from upslope.testing.updates import (
    CLIP_BY_NORM,
    INCUMBENT,
    KL_GRADIENT,
    LINE_SEARCH,
    RUNNING_MOMENTS,
)

CONTRACTS: dict[str, Contract] = {
    contract.name: contract
    for contract in (
        POLICY_GRADIENT,
        OFF_POLICY_GRADIENT,
        ADVANTAGES,
        LOG_PROBABILITY,
        SQUASHED_LOG_PROBABILITY,
        CLIP_BY_NORM,
        KL_GRADIENT,
        LINE_SEARCH,
        RUNNING_MOMENTS,
        INCUMBENT,
    )
}


def check(function: Callable[..., Any], contract: str, tolerance: float = TOLERANCE) -> Report:
    """Whether a function computes what its contract says, and which famous mistake it makes if not.

    Where the function sees samples, its mean over all possible ones is compared: there is no noise
    and no false alarm.

    Args:
      function: called as `CONTRACTS[contract].signature` says, with numpy arrays; what it returns
        may be anything that numpy reads as an array.
      contract: a name in `CONTRACTS`.
      tolerance: largest error, relative to the largest entry of the truth.

    Raises:
      UpslopeError: an unknown contract, or an answer of another shape. What the function raises
        itself is not caught.
    """
    if contract not in CONTRACTS:
        raise unknown_name("contract", str(contract), list(CONTRACTS))
    check_number("conformance", "tolerance", tolerance, above=0)
    return run(function, CONTRACTS[contract], tolerance)


__all__ = [
    "CONTRACTS",
    "Bug",
    "Case",
    "ConformanceError",
    "Contract",
    "EpisodeBatch",
    "Report",
    "check",
]
