"""Estimators of grad J, their baselines and advantages."""

from upslope.estimators.advantages import generalized_advantages
from upslope.estimators.baselines import (
    BASELINES,
    Baseline,
    LeaveOneOut,
    MeanBaseline,
    NoBaseline,
    ValueBaseline,
)
from upslope.estimators.gradient_estimator import Estimate, GradientEstimator
from upslope.estimators.likelihood_ratio import LikelihoodRatio
from upslope.estimators.score_function import score_function_gradient, surrogate

__all__ = [
    "BASELINES",
    "Baseline",
    "Estimate",
    "GradientEstimator",
    "LeaveOneOut",
    "LikelihoodRatio",
    "MeanBaseline",
    "NoBaseline",
    "ValueBaseline",
    "generalized_advantages",
    "score_function_gradient",
    "surrogate",
]
