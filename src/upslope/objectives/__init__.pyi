"""Which J is maximised."""

from upslope.core.lazy_names import Table
from upslope.core.registry import Registry
from upslope.objectives.objective import AverageReward as AverageReward
from upslope.objectives.objective import AverageValue as AverageValue
from upslope.objectives.objective import DiscountedReturn as DiscountedReturn
from upslope.objectives.objective import EpisodicReturn as EpisodicReturn
from upslope.objectives.objective import Objective as Objective

OBJECTIVES: Registry
TABLE: Table
__all__: list[str]
