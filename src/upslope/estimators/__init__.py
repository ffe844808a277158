"""Estimators of grad J, their baselines and advantages."""

from upslope.estimators.action_dependent_baseline import ActionDependentBaseline
from upslope.estimators.actor_critic import CriticGradient, GeneralizedAdvantage, NStep, TDError
from upslope.estimators.advantages import generalized_advantages
from upslope.estimators.all_action import AllAction
from upslope.estimators.antithetic import AntitheticScoreFunction
from upslope.estimators.baselines import (
    BASELINES,
    Baseline,
    BatchMean,
    LeaveOneOut,
    MeanBaseline,
    NoBaseline,
    TimeBaseline,
    ValueBaseline,
)
from upslope.estimators.bootstrapped_returns import VTrace, lambda_returns, n_step_returns, vtrace
from upslope.estimators.control_variates import (
    CONTROL_VARIATES,
    ConstantControlVariate,
    ControlVariate,
    LeaveOneOutControlVariate,
    NoControlVariate,
    OptimalControlVariate,
    PlugInOptimalControlVariate,
)
from upslope.estimators.critics import TableCritic, TimeTableCritic
from upslope.estimators.declaration import Declaration
from upslope.estimators.dice import dice, dice_return, magic_box
from upslope.estimators.difference_step import measured_noise, optimal_step
from upslope.estimators.expectation_gradient import ExpectationGradient
from upslope.estimators.finite_differences import FiniteDifferences
from upslope.estimators.function_values import OnHost
from upslope.estimators.gpomdp import GPOMDP, GPOMDPStream
from upslope.estimators.gradient_estimator import Estimate, GradientEstimator
from upslope.estimators.group_relative import GroupRelative, group_advantages
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
from upslope.estimators.off_policy import OffPolicyLikelihoodRatio, log_ratios
from upslope.estimators.optimal_baseline import OptimalBaselineLikelihoodRatio
from upslope.estimators.pathwise import Pathwise
from upslope.estimators.population_estimator import PopulationEstimator
from upslope.estimators.relax import QuadraticSurrogate, Rebar, Relax, fit_control
from upslope.estimators.score_function import score_function_gradient, surrogate
from upslope.estimators.score_function_estimator import ScoreFunction, score_arrows
from upslope.estimators.smoothed_score import SmoothedScore
from upslope.estimators.trajectory_dice import TrajectoryDiCE
from upslope.estimators.trajectory_estimators import TRAJECTORY_ESTIMATORS
from upslope.estimators.vtrace_actor_critic import VTraceGradient

__all__ = [
    "BASELINES",
    "CONTROL_VARIATES",
    "GPOMDP",
    "TRAJECTORY_ESTIMATORS",
    "ActionDependentBaseline",
    "AllAction",
    "AntitheticScoreFunction",
    "Baseline",
    "BatchMean",
    "ConstantControlVariate",
    "ControlVariate",
    "CriticGradient",
    "Declaration",
    "Estimate",
    "ExpectationGradient",
    "FiniteDifferences",
    "GPOMDPStream",
    "GeneralizedAdvantage",
    "GradientEstimator",
    "GroupRelative",
    "ImportanceEstimate",
    "ImportanceSampling",
    "ImportanceWeightWarning",
    "LeaveOneOut",
    "LeaveOneOutControlVariate",
    "LikelihoodRatio",
    "MeanBaseline",
    "MeasureValued",
    "NStep",
    "NoBaseline",
    "NoControlVariate",
    "OffPolicyLikelihoodRatio",
    "OnHost",
    "OptimalBaselineLikelihoodRatio",
    "OptimalControlVariate",
    "Pathwise",
    "PlugInOptimalControlVariate",
    "PopulationEstimator",
    "QuadraticSurrogate",
    "Rebar",
    "Relax",
    "ScoreFunction",
    "SmoothedScore",
    "TDError",
    "TableCritic",
    "TimeBaseline",
    "TimeTableCritic",
    "TrajectoryDiCE",
    "VTrace",
    "VTraceGradient",
    "ValueBaseline",
    "dice",
    "dice_return",
    "effective_sample_size",
    "fit_control",
    "generalized_advantages",
    "group_advantages",
    "importance_estimate",
    "lambda_returns",
    "log_ratios",
    "magic_box",
    "measured_noise",
    "n_step_returns",
    "noisy_gradient",
    "normalized_weights",
    "optimal_step",
    "score_arrows",
    "score_function_gradient",
    "surrogate",
    "tail_index",
    "vtrace",
]
