"""Policies: parameterised distributions over actions given observations."""

from upslope.policies.beta import BetaNetwork
from upslope.policies.convolutional import (
    ConvolutionalGaussian,
    ConvolutionalPolicy,
    ConvolutionalSoftmax,
    ConvolutionalValue,
)
from upslope.policies.decision_tree import DecisionTree
from upslope.policies.default import choose_kind, default_policy, fitting_kinds
from upslope.policies.deterministic import DeterministicLinear, DeterministicNetwork
from upslope.policies.features import (
    BernoulliFeatures,
    FeatureMap,
    ProductFeatures,
    TableFeatures,
)
from upslope.policies.finite_state_controller import FiniteStateController
from upslope.policies.gaussian import GaussianNetwork, LinearGaussian
from upslope.policies.linear_softmax import LinearSoftmax, LinearValue
from upslope.policies.network import NetworkPolicy, NetworkValue
from upslope.policies.normalized import NormalizedPolicy
from upslope.policies.open_loop import OpenLoopPolicy, SineGait, SplineMotion
from upslope.policies.policy import Policy, ValueFunction, act
from upslope.policies.recurrent import (
    RecurrentGaussian,
    RecurrentPolicy,
    RecurrentSoftmax,
    RecurrentValue,
)
from upslope.policies.registry import POLICIES
from upslope.policies.softmax_network import (
    BernoulliNetwork,
    MultiSoftmaxNetwork,
    SoftmaxNetwork,
)
from upslope.policies.squashed_gaussian import SquashedGaussianNetwork
from upslope.policies.tabular_softmax import TabularSoftmax, TabularValue
from upslope.policies.threshold_rule import ThresholdRule
from upslope.policies.unscored import UnscoredPolicy
