"""Policies: parameterised distributions over actions given observations."""

from upslope.core.lazy_names import Table
from upslope.policies.actor import Actor as Actor
from upslope.policies.bodies.body import Body as Body
from upslope.policies.bodies.convolutional import ConvolutionalBody as ConvolutionalBody
from upslope.policies.bodies.linear import LinearBody as LinearBody
from upslope.policies.bodies.mlp import MLPBody as MLPBody
from upslope.policies.bodies.recurrent import RecurrentBody as RecurrentBody
from upslope.policies.bodies.recurrent import RecurrentNetwork as RecurrentNetwork
from upslope.policies.bodies.table import FeatureBody as FeatureBody
from upslope.policies.bodies.table import TableBody as TableBody
from upslope.policies.constructors import BernoulliNetwork as BernoulliNetwork
from upslope.policies.constructors import BetaNetwork as BetaNetwork
from upslope.policies.constructors import DeterministicLinear as DeterministicLinear
from upslope.policies.constructors import DeterministicNetwork as DeterministicNetwork
from upslope.policies.constructors import GaussianNetwork as GaussianNetwork
from upslope.policies.constructors import LinearGaussian as LinearGaussian
from upslope.policies.constructors import MultiSoftmaxNetwork as MultiSoftmaxNetwork
from upslope.policies.constructors import RecurrentGaussian as RecurrentGaussian
from upslope.policies.constructors import RecurrentSoftmax as RecurrentSoftmax
from upslope.policies.constructors import SoftmaxNetwork as SoftmaxNetwork
from upslope.policies.constructors import SquashedGaussianNetwork as SquashedGaussianNetwork
from upslope.policies.critics import ActionValue as ActionValue
from upslope.policies.critics import ActionValues as ActionValues
from upslope.policies.critics import FeatureValue as FeatureValue
from upslope.policies.critics import StateValue as StateValue
from upslope.policies.critics import action_value as action_value
from upslope.policies.critics import action_values as action_values
from upslope.policies.critics import state_value as state_value
from upslope.policies.default import choose_kind as choose_kind
from upslope.policies.default import compatible_kinds as compatible_kinds
from upslope.policies.default import default_policy as default_policy
from upslope.policies.epsilon_greedy import EpsilonGreedy as EpsilonGreedy
from upslope.policies.features import BernoulliFeatures as BernoulliFeatures
from upslope.policies.features import FeatureMap as FeatureMap
from upslope.policies.features import ProductFeatures as ProductFeatures
from upslope.policies.features import TableFeatures as TableFeatures
from upslope.policies.heads.continuous import BetaHead as BetaHead
from upslope.policies.heads.continuous import GaussianHead as GaussianHead
from upslope.policies.heads.continuous import SquashedGaussianHead as SquashedGaussianHead
from upslope.policies.heads.deterministic import ModeHead as ModeHead
from upslope.policies.heads.deterministic import PointHead as PointHead
from upslope.policies.heads.discrete import BernoulliHead as BernoulliHead
from upslope.policies.heads.discrete import DuelingHead as DuelingHead
from upslope.policies.heads.discrete import MultiSoftmaxHead as MultiSoftmaxHead
from upslope.policies.heads.discrete import SoftmaxHead as SoftmaxHead
from upslope.policies.heads.head import Head as Head
from upslope.policies.linear_softmax import LinearSoftmax as LinearSoftmax
from upslope.policies.network import NetworkPolicy as NetworkPolicy
from upslope.policies.normalized import NormalizedPolicy as NormalizedPolicy
from upslope.policies.policy import Greedy as Greedy
from upslope.policies.policy import Policy as Policy
from upslope.policies.policy import ValueFunction as ValueFunction
from upslope.policies.policy import respond as respond
from upslope.policies.registry import POLICIES as POLICIES
from upslope.policies.rules.decision_tree import DecisionTree as DecisionTree
from upslope.policies.rules.finite_state_controller import FiniteStateController as FiniteStateController
from upslope.policies.rules.non_differentiable import NonDifferentiablePolicy as NonDifferentiablePolicy
from upslope.policies.rules.open_loop import OpenLoopPolicy as OpenLoopPolicy
from upslope.policies.rules.open_loop import SineGait as SineGait
from upslope.policies.rules.open_loop import SplineMotion as SplineMotion
from upslope.policies.rules.threshold_rule import ThresholdRule as ThresholdRule
from upslope.policies.tabular_epsilon_greedy import TabularEpsilonGreedy as TabularEpsilonGreedy
from upslope.policies.tabular_softmax import TabularSoftmax as TabularSoftmax

TABLE: Table
__all__: list[str]
