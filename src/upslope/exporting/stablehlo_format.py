"""A policy as StableHLO, serialised by `jax.export`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import numpy as np

from upslope.core.annotations import Memory, Observation, PyTree
from upslope.exporting.exportable import Exportable
from upslope.exporting.format import Call, Format

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


class StableHLOFormat(Format):
    """The greedy policy for any batch size, on CPUs, GPUs and TPUs.

    `jax.export.deserialize(data).call(observation)` gives actions, and for policies with memory
    `.call(observation, memory)` gives actions and memories. Observations are batches: arrays, or
    dictionaries and tuples of them as in the observation space.

    References:
      JAX's page on exporting has the guarantees: readable for six months of releases at least.
    """

    filename: ClassVar[str] = "policy.stablehlo"
    packages: ClassVar[tuple[str, ...]] = ("flatbuffers",)

    def encode(self, policy: Exportable) -> bytes:
        from jax import export

        (n,) = export.symbolic_shape("n")

        def batch(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((n, *leaf.shape), leaf.dtype)

        observation: PyTree = jax.tree.map(batch, policy.observation_shapes())
        memory: PyTree = jax.tree.map(batch, policy.memory_shapes())
        arguments = (observation, memory) if policy.has_memory else (observation,)
        with usual_promotion():
            exported = export.export(jax.jit(batched(policy)), platforms=PLATFORMS)(*arguments)
        return bytes(exported.serialize())

    def decode(self, data: bytes, policy: Exportable) -> Call:
        from jax import export

        function = jax.jit(export.deserialize(bytearray(data)).call)
        shapes, start = policy.observation_shapes(), policy.start()

        def call(observation: Observation, state: Memory | None) -> tuple[Any, Memory | None]:
            observation = typed(shapes, observation)
            if not start:
                return np.asarray(function(observation)), None
            state = start.memory(observation) if state is None else state
            action, state = function(observation, state)
            return np.asarray(action), jax.tree.map(np.asarray, state)

        return call


def batched(policy: Exportable) -> Callable[..., Any]:
    """The function that is exported."""
    act = policy.act()
    if policy.has_memory:
        return jax.vmap(act)
    return jax.vmap(lambda observation: act(observation, ())[0])


def typed(shapes: PyTree, observation: Observation) -> Observation:
    """A batch of observations with the types that the exported function takes."""
    return jax.tree.map(lambda leaf, x: np.asarray(x).astype(leaf.dtype), shapes, observation)


@contextlib.contextmanager
def usual_promotion() -> Any:
    """JAX's default rules of broadcasting, under which all of its own code can be traced."""
    with jax.numpy_rank_promotion("allow"):
        yield
