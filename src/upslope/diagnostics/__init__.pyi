"""How good a gradient estimate is: measured while training, and checked against the truth."""

from upslope.core.lazy_names import Table
from upslope.diagnostics.check_estimators import POPULATION_ESTIMATORS as POPULATION_ESTIMATORS
from upslope.diagnostics.check_estimators import estimator_names as estimator_names
from upslope.diagnostics.gradient_check import gradcheck as gradcheck
from upslope.diagnostics.gradient_report import GradientReport as GradientReport
from upslope.diagnostics.gradient_report import Row as Row
from upslope.diagnostics.verdicts import Verdict as Verdict

TABLE: Table
__all__: list[str]
