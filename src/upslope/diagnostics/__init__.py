"""How good a gradient estimate is: measured while training, and checked against the truth."""

from upslope.diagnostics.check_subjects import POPULATION_ESTIMATORS, estimator_names
from upslope.diagnostics.gradient_check import gradcheck
from upslope.diagnostics.gradient_report import GradientReport, Row
from upslope.diagnostics.verdicts import Verdict

__all__ = [
    "POPULATION_ESTIMATORS",
    "GradientReport",
    "Row",
    "Verdict",
    "estimator_names",
    "gradcheck",
]
