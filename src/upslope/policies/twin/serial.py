"""A NumPy policy as JSON and arrays, and back: how it reaches a process without JAX."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from . import bodies, convolutional, heads
from .actor import TwinActor
from .encoding import TwinEncoding
from .normalizer import TwinNormalizer

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        TwinActor,
        TwinEncoding,
        TwinNormalizer,
        convolutional.TwinConvolutional,
        bodies.TwinDecisionTree,
        bodies.TwinFiniteStateController,
        bodies.TwinMLP,
        bodies.TwinRecurrent,
        bodies.TwinSineGait,
        bodies.TwinSplineMotion,
        bodies.TwinTable,
        bodies.TwinThresholdRule,
        heads.TwinAsIs,
        heads.TwinBernoulli,
        heads.TwinBeta,
        heads.TwinDueling,
        heads.TwinEpsilonGreedy,
        heads.TwinGaussian,
        heads.TwinMode,
        heads.TwinMultiSoftmax,
        heads.TwinPoint,
        heads.TwinPolicyValue,
        heads.TwinSoftmax,
        heads.TwinSquashedGaussian,
    )
}


def to_plain(twin: TwinActor) -> tuple[dict[str, Any], list[np.ndarray]]:
    """A NumPy policy as a table of plain values and the arrays that it names by their number."""
    arrays: list[np.ndarray] = []
    return _plain(twin, arrays), arrays


def from_plain(table: dict[str, Any], arrays: list[np.ndarray]) -> TwinActor:
    """The policy that `to_plain` was given. Only the classes of this package are ever built.

    Raises:
      ValueError: for a table that names anything else.
    """
    twin = _built(table, arrays)
    if not isinstance(twin, TwinActor):
        raise ValueError(f"the table describes a {type(twin).__name__}, not a policy")
    return twin


def _plain(node: object, arrays: list[np.ndarray]) -> Any:
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        names = [field.name for field in dataclasses.fields(node)]
        fields = {name: _plain(getattr(node, name), arrays) for name in names}
        return {"class": type(node).__name__, "fields": fields}
    if isinstance(node, np.ndarray | np.generic):
        arrays.append(np.asarray(node))
        return {"array": len(arrays) - 1}
    if isinstance(node, tuple | list):
        return {"tuple": [_plain(part, arrays) for part in node]}
    if isinstance(node, dict):
        return {"dict": {name: _plain(part, arrays) for name, part in node.items()}}
    return node


def _built(node: object, arrays: list[np.ndarray]) -> Any:
    if not isinstance(node, dict):
        return node
    if "class" in node:
        if node["class"] not in CLASSES:
            raise ValueError(f"{node['class']!r:.80} is no class of NumPy policies")
        fields = {name: _built(part, arrays) for name, part in node["fields"].items()}
        return CLASSES[node["class"]](**fields)
    if "array" in node:
        return arrays[node["array"]]
    if "tuple" in node:
        return tuple(_built(part, arrays) for part in node["tuple"])
    return {name: _built(part, arrays) for name, part in node["dict"].items()}
