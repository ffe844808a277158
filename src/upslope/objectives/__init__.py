"""Which J is maximised."""

from upslope.core.lazy_names import Row, lazy_names, registry_of
from upslope.storage.serializable import serializable_package

TABLE = {
    "EpisodicReturn": Row("objective", "episodic", "Undiscounted return of an episode."),
    "DiscountedReturn": Row(
        "objective", "discounted", "Discounted value of the start distribution."
    ),
    "AverageReward": Row("objective", "average-reward", "Reward per step in the long run."),
    "AverageValue": Row(
        "objective",
        "average-value",
        "Discounted value averaged over the stationary distribution.",
    ),
    "Objective": "objective",
}

OBJECTIVES = registry_of("objective", __name__, TABLE)
serializable_package(__name__, TABLE)

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, "OBJECTIVES")
