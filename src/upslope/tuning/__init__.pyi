"""Settings of a method found by trials: Optuna's samplers and pruners, and fresh seeds at the end.

The users' function is `upslope.tune`.
"""

from upslope.core.lazy_names import Table
from upslope.tuning.ranges import OneOf as OneOf
from upslope.tuning.ranges import Range as Range
from upslope.tuning.ranges import default_ranges as default_ranges
from upslope.tuning.tuning_result import FreshRuns as FreshRuns
from upslope.tuning.tuning_result import Trial as Trial
from upslope.tuning.tuning_result import Tuning as Tuning

TABLE: Table
__all__: list[str]
