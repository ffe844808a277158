"""A policy as one Python file whose only import is NumPy."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from upslope.core.annotations import Memory, Observation
from upslope.core.checks import UpslopeError
from upslope.exporting.exportable import Exportable, parts_of, start_of
from upslope.exporting.format import Call, Format
from upslope.exporting.standalone import ArrayReader, StandalonePolicy, TreeReader
from upslope.exporting.standalone_source import standalone_source
from upslope.policies.twin.actor import TwinActor

if TYPE_CHECKING:
    from gymnasium import spaces


class NumPyFormat(Format):
    """The NumPy twin of the policy as source code, with the parameters in it.

    The classes are those that `predict` runs, without their annotations. Python 3.10 and NumPy 1.26
    or newer read the file.
    """

    filename: ClassVar[str] = "policy.py"

    def encode(self, policy: Exportable) -> bytes:
        return standalone_source(standalone(policy), policy.title, policy.sampled).encode()

    def decode(self, data: bytes, policy: Exportable) -> Call:
        with tempfile.TemporaryDirectory(prefix="upslope-") as folder:
            path = Path(folder) / self.filename
            path.write_bytes(data)
            spec = importlib.util.spec_from_file_location("exported_policy", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)  # what `encode` has just written, never another file

        def call(observation: Observation, state: Memory | None) -> tuple[Any, Memory | None]:
            return module.predict(observation, state, deterministic=True)

        return call


def standalone(policy: Exportable) -> StandalonePolicy:
    """The agent in NumPy alone.

    Raises:
      UpslopeError: for a policy that has no NumPy twin.
    """
    agent = policy.agent
    twin = agent.policy.numpy()
    if not isinstance(twin, TwinActor):
        raise UpslopeError(
            f"{type(agent.policy).__name__} has no twin in NumPy, of which the file would be made. "
            "Export it with --format stablehlo, or give it a method numpy() that returns a "
            "TwinActor."
        )
    space = agent.action_space
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    bounded = low is not None and high is not None
    return StandalonePolicy(
        actor=twin,
        reader=reader_of(agent.observation_space),
        low=np.asarray(low) if bounded else None,
        high=np.asarray(high) if bounded else None,
        start=None if bounded else start_of(space),
        dtype=np.dtype(space.dtype).name if bounded else "int64",
    )


def reader_of(space: spaces.Space) -> ArrayReader | TreeReader:
    """What reads the observations of a space."""
    parts = parts_of(space)
    if parts is not None:
        named = {str(k): part for k, part in enumerate(parts)} if isinstance(parts, list) else parts
        readers = {name: reader_of(part) for name, part in named.items()}
        return TreeReader(readers, is_tuple=isinstance(parts, list))
    return ArrayReader(
        shape=tuple(space.shape or ()),
        floats=bool(np.issubdtype(np.dtype(space.dtype), np.floating)),
        start=start_of(space),
    )
