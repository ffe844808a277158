"""Heads: from the output of a network to the distribution of an action."""

from upslope.policies.heads.continuous import BetaHead, GaussianHead, SquashedGaussianHead
from upslope.policies.heads.deterministic import ModeHead, PointHead
from upslope.policies.heads.discrete import BernoulliHead, MultiSoftmaxHead, SoftmaxHead
from upslope.policies.heads.head import Head

__all__ = [
    "BernoulliHead",
    "BetaHead",
    "GaussianHead",
    "Head",
    "ModeHead",
    "MultiSoftmaxHead",
    "PointHead",
    "SoftmaxHead",
    "SquashedGaussianHead",
]
