"""Estimators of grad J, their baselines and advantages."""

from upslope.estimators.advantages import generalized_advantages
from upslope.estimators.antithetic import AntitheticScoreFunction
from upslope.estimators.baselines import (
    BASELINES,
    Baseline,
    LeaveOneOut,
    MeanBaseline,
    NoBaseline,
    ValueBaseline,
)
from upslope.estimators.control_variates import (
    CONTROL_VARIATES,
    ConstantControlVariate,
    ControlVariate,
    LeaveOneOutControlVariate,
    NoControlVariate,
    OptimalControlVariate,
    PlugInOptimalControlVariate,
)
from upslope.estimators.declaration import Declaration
from upslope.estimators.dice import dice, dice_return, magic_box
from upslope.estimators.difference_step import measured_noise, optimal_step
from upslope.estimators.expectation_gradient import ExpectationGradient
from upslope.estimators.finite_differences import FiniteDifferences
from upslope.estimators.function_values import OnHost
from upslope.estimators.gradient_estimator import Estimate, GradientEstimator
from upslope.estimators.importance_sampling import ImportanceSampling
from upslope.estimators.importance_weights import (
    ImportanceEstimate,
    ImportanceWeightWarning,
    effective_sample_size,
    importance_estimate,
    normalized_weights,
    tail_index,
)
from upslope.estimators.likelihood_ratio import LikelihoodRatio
from upslope.estimators.measure_valued import MeasureValued
from upslope.estimators.noisy_gradient import noisy_gradient
from upslope.estimators.pathwise import Pathwise
from upslope.estimators.population_estimator import PopulationEstimator
from upslope.estimators.relax import QuadraticSurrogate, Rebar, Relax, fit_control
from upslope.estimators.score_function import score_function_gradient, surrogate
from upslope.estimators.score_function_estimator import ScoreFunction, score_arrows
from upslope.estimators.smoothed_score import SmoothedScore

__all__ = [
    "BASELINES",
    "CONTROL_VARIATES",
    "AntitheticScoreFunction",
    "Baseline",
    "ConstantControlVariate",
    "ControlVariate",
    "Declaration",
    "Estimate",
    "ExpectationGradient",
    "FiniteDifferences",
    "GradientEstimator",
    "ImportanceEstimate",
    "ImportanceSampling",
    "ImportanceWeightWarning",
    "LeaveOneOut",
    "LeaveOneOutControlVariate",
    "LikelihoodRatio",
    "MeanBaseline",
    "MeasureValued",
    "NoBaseline",
    "NoControlVariate",
    "OnHost",
    "OptimalControlVariate",
    "Pathwise",
    "PlugInOptimalControlVariate",
    "PopulationEstimator",
    "QuadraticSurrogate",
    "Rebar",
    "Relax",
    "ScoreFunction",
    "SmoothedScore",
    "ValueBaseline",
    "dice",
    "dice_return",
    "effective_sample_size",
    "fit_control",
    "generalized_advantages",
    "importance_estimate",
    "magic_box",
    "measured_noise",
    "noisy_gradient",
    "normalized_weights",
    "optimal_step",
    "score_arrows",
    "score_function_gradient",
    "surrogate",
    "tail_index",
]
