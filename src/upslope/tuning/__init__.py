"""Settings of a method found by trials: Optuna's samplers and pruners, and fresh seeds at the end.

The users' function is `upslope.tune`.
"""

from upslope.core.lazy_names import lazy_names

TABLE = {
    "FreshRuns": "tuning_result",
    "OneOf": "ranges",
    "Range": "ranges",
    "Trial": "tuning_result",
    "Tuning": "tuning_result",
    "default_ranges": "ranges",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE)
