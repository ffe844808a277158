"""The table of estimators of grad J from trajectories: a name, a factory, one line."""

from __future__ import annotations

from functools import partial

from upslope.core.registry import Registry
from upslope.estimators.trajectory.action_dependent_baseline import ActionDependentBaseline
from upslope.estimators.trajectory.actor_critic import GeneralizedAdvantage, NStep, TDError
from upslope.estimators.trajectory.all_action import AllAction
from upslope.estimators.trajectory.baselines import (
    BatchMean,
    LeaveOneOut,
    MeanBaseline,
    NoBaseline,
    TimeBaseline,
    ValueBaseline,
)
from upslope.estimators.trajectory.gpomdp import GPOMDP
from upslope.estimators.trajectory.group_relative import GroupRelative
from upslope.estimators.trajectory.likelihood_ratio import LikelihoodRatio
from upslope.estimators.trajectory.off_policy import OffPolicyLikelihoodRatio
from upslope.estimators.trajectory.optimal_baseline import OptimalBaselineLikelihoodRatio
from upslope.estimators.trajectory.trajectory_dice import TrajectoryDiCE
from upslope.estimators.trajectory.vtrace_actor_critic import VTraceGradient

# Every factory is called with settings by keyword, none of them required; what the estimator's
# `requires` names must be filled, here or later, before it estimates.
TRAJECTORY_ESTIMATORS = Registry("trajectory estimator")

for _name, _factory, _summary in (
    (
        "reinforce",
        partial(LikelihoodRatio, baseline=NoBaseline(), credit="return"),
        "Whole return times the score of every step (Williams 1992).",
    ),
    (
        "reward-to-go",
        partial(LikelihoodRatio, baseline=NoBaseline()),
        "G(PO)MDP: an action is credited with the rewards after it.",
    ),
    (
        "batch-mean-baseline",
        partial(LikelihoodRatio, baseline=BatchMean()),
        "Reward-to-go less its mean over all steps of the batch.",
    ),
    (
        "mean-baseline",
        partial(LikelihoodRatio, baseline=MeanBaseline()),
        "Reward-to-go less its mean at the same time step.",
    ),
    (
        "time-baseline",
        partial(LikelihoodRatio, baseline=TimeBaseline()),
        "Reward-to-go less numbers chosen beforehand, one a time step.",
    ),
    (
        "leave-one-out-baseline",
        partial(LikelihoodRatio, baseline=LeaveOneOut()),
        "Reward-to-go less its mean over the other episodes.",
    ),
    (
        "value-baseline",
        partial(LikelihoodRatio, baseline=ValueBaseline()),
        "Reward-to-go less a learned V(s).",
    ),
    (
        "standardized",
        partial(LikelihoodRatio, baseline=LeaveOneOut(), standardize=True),
        "Advantages divided by their own spread.",
    ),
    (
        "optimal-baseline",
        OptimalBaselineLikelihoodRatio,
        "A baseline of least variance for each parameter, from the other episodes.",
    ),
    (
        "optimal-baseline-plug-in",
        partial(OptimalBaselineLikelihoodRatio, cross_fitted=False),
        "The same from all episodes, as most texts print it.",
    ),
    (
        "reinforce-optimal-baseline",
        partial(OptimalBaselineLikelihoodRatio, credit="return"),
        "Whole returns with the baseline of least variance for each parameter.",
    ),
    (
        "action-dependent-baseline",
        ActionDependentBaseline,
        "A baseline b(s, a), its mean added back by a sum over the actions (Q-Prop).",
    ),
    ("rloo", GroupRelative, "Whole returns less the mean of the other episodes' returns."),
    (
        "grpo",
        partial(GroupRelative, relative="standardized"),
        "Whole returns, centred and divided by their spread over the batch.",
    ),
    ("td-error", TDError, "One-step actor-critic: r + gamma V(s') - V(s)."),
    ("n-step", NStep, "n rewards, then the critic."),
    ("gae", GeneralizedAdvantage, "Generalised advantages: all n-step ones, weighed by lambda^n."),
    ("all-action", AllAction, "Expected policy gradient: the sum over the actions, done exactly."),
    ("gpomdp", GPOMDP, "Average reward from one long stream, by a trace discounted with beta."),
    ("dice", TrajectoryDiCE, "DiCE: second and higher derivatives of its surrogate are right too."),
    (
        "importance-weighted",
        partial(OffPolicyLikelihoodRatio, ratios="trajectory"),
        "Episodes of another policy, weighed as wholes.",
    ),
    (
        "importance-weighted-self-normalized",
        partial(OffPolicyLikelihoodRatio, ratios="trajectory", weighting="self-normalized"),
        "The same with weights that sum to one.",
    ),
    (
        "importance-weighted-clipped",
        partial(OffPolicyLikelihoodRatio, ratios="trajectory", weighting="clipped"),
        "The same with weights cut off at a bound.",
    ),
    (
        "per-decision",
        OffPolicyLikelihoodRatio,
        "Episodes of another policy, each reward weighed by the actions before it.",
    ),
    (
        "per-decision-self-normalized",
        partial(OffPolicyLikelihoodRatio, weighting="self-normalized"),
        "The same with weights that sum to one at each step.",
    ),
    ("vtrace", VTraceGradient, "Episodes of another policy, a critic and clipped ratios (IMPALA)."),
):
    TRAJECTORY_ESTIMATORS.register(_name, _factory, _summary)
