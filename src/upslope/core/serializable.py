"""Which classes a file may name: the only ones that `upslope.core.serialization` ever builds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from upslope.core.checks import StorageError
from upslope.core.registry import Registry

C = TypeVar("C", bound=type)

# Classes of this library by the module that defines them. A class's name in files is its own.
LIBRARY: dict[str, tuple[str, ...]] = {
    "upslope.core.moments": ("Moments",),
    "upslope.core.networks.convolutional": ("Convolution", "ConvolutionalNetwork"),
    "upslope.core.networks.gru": ("GRUCell",),
    "upslope.core.networks.linear": ("Linear",),
    "upslope.core.networks.mlp": ("MLP",),
    "upslope.environments.acrobot": ("Acrobot",),
    "upslope.environments.cartpole": ("CartPole",),
    "upslope.environments.corridor": ("ShortCorridor",),
    "upslope.environments.dyna_maze": ("BlockingMaze", "DynaMaze", "ShortcutMaze"),
    "upslope.environments.finite_mdp": ("FiniteMDP",),
    "upslope.environments.linear_quadratic": ("LinearQuadratic",),
    "upslope.environments.mountain_car": ("MountainCar",),
    "upslope.environments.mountain_car_continuous": ("MountainCarContinuous",),
    "upslope.environments.pendulum": ("Pendulum",),
    "upslope.environments.probes": (
        "ActionProbe",
        "ConstantProbe",
        "DelayedProbe",
        "ObservationActionProbe",
        "ObservationProbe",
    ),
    "upslope.environments.sparse_mdp": ("SparseMDP",),
    "upslope.objectives.objective": (
        "AverageReward",
        "AverageValue",
        "DiscountedReturn",
        "EpisodicReturn",
    ),
    "upslope.policies.beta": ("BetaNetwork",),
    "upslope.policies.convolutional": (
        "ConvolutionalGaussian",
        "ConvolutionalPolicy",
        "ConvolutionalSoftmax",
        "ConvolutionalValue",
    ),
    "upslope.policies.decision_tree": ("DecisionTree",),
    "upslope.policies.deterministic": ("DeterministicLinear", "DeterministicNetwork"),
    "upslope.policies.features": ("BernoulliFeatures", "ProductFeatures", "TableFeatures"),
    "upslope.policies.finite_state_controller": ("FiniteStateController",),
    "upslope.policies.gaussian": ("GaussianNetwork", "LinearGaussian"),
    "upslope.policies.heads.continuous": ("BetaHead", "GaussianHead", "SquashedGaussianHead"),
    "upslope.policies.heads.deterministic": ("ModeHead", "PointHead"),
    "upslope.policies.heads.discrete": ("BernoulliHead", "MultiSoftmaxHead", "SoftmaxHead"),
    "upslope.policies.linear_softmax": ("LinearSoftmax", "LinearValue"),
    "upslope.policies.network": ("NetworkPolicy", "NetworkValue"),
    "upslope.policies.normalized": ("NormalizedPolicy",),
    "upslope.policies.open_loop": ("SineGait", "SplineMotion"),
    "upslope.policies.recurrent": (
        "RecurrentGaussian",
        "RecurrentNetwork",
        "RecurrentPolicy",
        "RecurrentSoftmax",
        "RecurrentValue",
    ),
    "upslope.policies.softmax_network": (
        "BernoulliNetwork",
        "MultiSoftmaxNetwork",
        "SoftmaxNetwork",
    ),
    "upslope.policies.squashed_gaussian": ("SquashedGaussianNetwork",),
    "upslope.policies.tabular_softmax": ("TabularSoftmax", "TabularValue"),
    "upslope.policies.threshold_rule": ("ThresholdRule",),
}

MODULES = Registry("serializable class")
_NAMES: dict[str, str] = {}  # "package.module:Class" to the name in files


def _register(name: str, location: str, target: type | str) -> None:
    MODULES.register(name, target)
    _NAMES[location] = name


for _module, _classes in LIBRARY.items():
    for _class in _classes:
        _register(_class, f"{_module}:{_class}", f"{_module}:{_class}")


def serializable(name: str) -> Callable[[C], C]:
    """Class decorator: lets saved policies contain this `eqx.Module` or NamedTuple, as `name`.

    The module that applies it must have been imported before such a policy is loaded.

    Raises:
      UpslopeError: when another class has that name.
    """

    def register(cls: C) -> C:
        _register(name, location(cls), cls)
        return cls

    return register


def location(cls: type) -> str:
    """Where a class is defined: "package.module:Class"."""
    return f"{cls.__module__}:{cls.__qualname__}"


def name_in_files(cls: type) -> str:
    """The name under which files speak of `cls`.

    Raises:
      StorageError: when the class was not registered.
    """
    name = _NAMES.get(location(cls))
    if name is None or MODULES.get(name) is not cls:
        raise StorageError(
            f"{cls.__qualname__} is not registered for saving. Decorate the class with "
            f"@upslope.core.serializable.serializable({cls.__name__!r})."
        )
    return name


def class_named(name: Any) -> type:
    """The class that files call `name`: looked up in the table, never imported by its name.

    Raises:
      StorageError: for a name that nobody registered.
    """
    if not isinstance(name, str) or name not in MODULES:
        raise StorageError(
            f"The file names the class {name!r:.80}, which is not registered. If it is yours, "
            f"import the module that registers it (@serializable) before loading."
        )
    cls = MODULES.get(name)
    if not isinstance(cls, type):
        raise StorageError(f"{name!r:.80} is not a class.")
    return cls
