"""Which J is maximised."""

from upslope.core.registry import Registry
from upslope.objectives.objective import (
    AverageReward,
    AverageValue,
    DiscountedReturn,
    EpisodicReturn,
    Objective,
)

OBJECTIVES = Registry("objective")
OBJECTIVES.register("episodic", EpisodicReturn, "Undiscounted return of an episode.")
OBJECTIVES.register("discounted", DiscountedReturn, "Discounted value of the start distribution.")
OBJECTIVES.register("average-reward", AverageReward, "Reward per step in the long run.")
OBJECTIVES.register(
    "average-value", AverageValue, "Discounted value averaged over the stationary distribution."
)

__all__ = [
    "OBJECTIVES",
    "AverageReward",
    "AverageValue",
    "DiscountedReturn",
    "EpisodicReturn",
    "Objective",
]
