"""Policies: parameterised distributions over actions given observations."""

from upslope.core.lazy_names import lazy_names
from upslope.storage.serializable import earlier_class, serializable_package

TABLE = {
    "Actor": "actor",
    "Greedy": "policy",
    "NetworkPolicy": "network",
    "NormalizedPolicy": "normalized",
    "POLICIES": "registry",
    "Policy": "policy",
    "ValueFunction": "policy",
    "choose_kind": "default",
    "compatible_kinds": "default",
    "default_policy": "default",
    "respond": "policy",
    # bodies
    "BoardBody": "bodies.board",
    "Body": "bodies.body",
    "ConvolutionalBody": "bodies.convolutional",
    "FeatureBody": "bodies.table",
    "LinearBody": "bodies.linear",
    "MLPBody": "bodies.mlp",
    "RecurrentBody": "bodies.recurrent",
    "RecurrentNetwork": "bodies.recurrent",
    "TableBody": "bodies.table",
    # heads
    "BernoulliHead": "heads.discrete",
    "BetaHead": "heads.continuous",
    "GaussianHead": "heads.continuous",
    "Head": "heads.head",
    "ModeHead": "heads.deterministic",
    "DuelingHead": "heads.discrete",
    "EpsilonGreedy": "epsilon_greedy",
    "TabularEpsilonGreedy": "tabular_epsilon_greedy",
    "MultiSoftmaxHead": "heads.discrete",
    "PointHead": "heads.deterministic",
    "PolicyValueHead": "heads.discrete",
    "SoftmaxHead": "heads.discrete",
    "SquashedGaussianHead": "heads.continuous",
    # critics
    "ActionValue": "critics",
    "ActionValues": "critics",
    "FeatureValue": "critics",
    "StateValue": "critics",
    "action_value": "critics",
    "action_values": "critics",
    "state_value": "critics",
    # policies of finite problems, and features
    "BernoulliFeatures": "features",
    "FeatureMap": "features",
    "LinearSoftmax": "linear_softmax",
    "ProductFeatures": "features",
    "TableFeatures": "features",
    "TabularSoftmax": "tabular_softmax",
    # rules
    "DecisionTree": "rules.decision_tree",
    "FiniteStateController": "rules.finite_state_controller",
    "NonDifferentiablePolicy": "rules.non_differentiable",
    "OpenLoopPolicy": "rules.open_loop",
    "SineGait": "rules.open_loop",
    "SplineMotion": "rules.open_loop",
    "ThresholdRule": "rules.threshold_rule",
}

# Functions that make a `NetworkPolicy` from sizes.
CONSTRUCTORS = dict.fromkeys(
    (
        "BernoulliNetwork",
        "BetaNetwork",
        "DeterministicLinear",
        "DeterministicNetwork",
        "GaussianNetwork",
        "LinearGaussian",
        "MultiSoftmaxNetwork",
        "RecurrentGaussian",
        "RecurrentSoftmax",
        "SoftmaxNetwork",
        "SquashedGaussianNetwork",
    ),
    "constructors",
)

serializable_package(__name__, TABLE)

# What files of earlier versions describe: class, its fields and static fields then, who converts.
_DENSE = ("network", "head"), ("categories",)
_IMAGE = ("network", "head"), ()
for names, (fields, static), function in (
    (
        "NetworkPolicy SoftmaxNetwork MultiSoftmaxNetwork BernoulliNetwork GaussianNetwork "
        "SquashedGaussianNetwork BetaNetwork DeterministicNetwork",
        _DENSE,
        "dense_policy",
    ),
    ("LinearGaussian DeterministicLinear", _DENSE, "linear_policy"),
    ("RecurrentPolicy RecurrentSoftmax RecurrentGaussian", _DENSE, "recurrent_policy"),
    (
        "ConvolutionalPolicy ConvolutionalSoftmax ConvolutionalGaussian",
        _IMAGE,
        "convolutional_policy",
    ),
    (
        "SineGait",
        (("offset", "amplitude", "phase", "log_period", "head"), ("in_size", "categories")),
        "sine_gait",
    ),
    ("SplineMotion", (("knots", "head"), ("period", "in_size", "categories")), "spline_motion"),
    ("NetworkValue", (("network",), ("categories",)), "dense_value"),
    ("RecurrentValue", (("network",), ("categories",)), "recurrent_value"),
    ("ConvolutionalValue", (("network",), ()), "convolutional_value"),
    ("TabularValue", (("values",), ()), "tabular_value"),
    ("LinearValue", (("weight", "bias", "features"), ()), "linear_value"),
):
    for name in names.split():
        earlier_class(name, fields, static, f"upslope.policies.earlier_files:{function}")

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE | CONSTRUCTORS)
