"""A policy as an ONNX model, converted by jax2onnx."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import jax

from upslope.core.annotations import Memory, Observation, PyTree
from upslope.core.checks import UpslopeError
from upslope.exporting.exportable import Exportable, parts_of
from upslope.exporting.format import Call, Format
from upslope.exporting.onnx_equations import evaluate
from upslope.exporting.stablehlo_format import typed

if TYPE_CHECKING:
    from gymnasium import spaces

OPSET = 18  # runtimes of 2023 and newer have it
BATCH = "N"


class ONNXFormat(Format):
    """The greedy policy for any batch size.

    Inputs are `observation`, or one for each array of a Dict or Tuple observation
    (`observation.arm.0`), and `memory` where the policy remembers; outputs are `action` and
    `next_memory`. All begin with the axis of the batch.
    """

    filename: ClassVar[str] = "policy.onnx"
    packages: ClassVar[tuple[str, ...]] = ("jax2onnx", "onnx", "onnxruntime")

    def encode(self, policy: Exportable) -> bytes:
        observation, memory = policy.observation_shapes(), policy.memory_shapes()
        act, structure = policy.act(), jax.tree.structure((observation, memory))

        def flat(*leaves: jax.Array) -> tuple[jax.Array, ...]:
            action, after = act(*jax.tree.unflatten(structure, leaves))
            return (action, *jax.tree.leaves(after))

        inputs = jax.tree.leaves((observation, memory))
        # Traced before jax2onnx replaces functions of JAX: its argmax forgets the axis of a batch.
        closed = jax.make_jaxpr(flat)(*inputs)

        def batched(*leaves: jax.Array) -> tuple[jax.Array, ...]:
            return tuple(jax.vmap(lambda *one: evaluate(closed, one))(*leaves))

        with quiet_conversion():
            from jax2onnx import to_onnx  # pyright: ignore[reportMissingImports]

            try:
                model = to_onnx(
                    batched,
                    [jax.ShapeDtypeStruct((BATCH, *x.shape), x.dtype) for x in inputs],
                    model_name="policy",
                    opset=OPSET,
                    input_names=names_of(policy, "memory"),
                    output_names=["action", *memory_names(memory, "next_memory")],
                )
            except Exception as error:
                lines = str(error).strip().splitlines() or [""]
                raise UpslopeError(
                    f"jax2onnx has no ONNX for {type(policy.agent.policy).__name__} "
                    f"({type(error).__name__}: {lines[0]:.160}). Export it with --format numpy or "
                    "stablehlo."
                ) from error
        return model.SerializeToString()  # pyright: ignore[reportAttributeAccessIssue]

    def decode(self, data: bytes, policy: Exportable) -> Call:
        import onnxruntime  # pyright: ignore[reportMissingImports]

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise refused(policy, error) from error
        shapes, start = policy.observation_shapes(), policy.start()
        names, structure = names_of(policy, "memory"), jax.tree.structure(policy.memory_shapes())
        present = {one.name for one in session.get_inputs()}  # what is not read is dropped

        def call(observation: Observation, state: Memory | None) -> tuple[Any, Memory | None]:
            leaves = jax.tree.leaves(typed(shapes, observation))
            if start:
                state = start.memory(leaves) if state is None else state
                leaves += jax.tree.leaves(state)
            feed = {name: x for name, x in zip(names, leaves, strict=True) if name in present}
            try:
                action, *after = session.run(None, feed)
            except Exception as error:
                raise refused(policy, error) from error
            return action, jax.tree.unflatten(structure, after) if start else None

        return call


def refused(policy: Exportable, error: Exception) -> UpslopeError:
    """The error for a model that its runtime does not accept."""
    lines = str(error).strip().splitlines() or [""]
    return UpslopeError(
        f"ONNX Runtime refuses the model of {type(policy.agent.policy).__name__} "
        f"({lines[0]:.200}). Export it with --format numpy or stablehlo."
    )


def names_of(policy: Exportable, memory: str) -> list[str]:
    """The names of the inputs, in the order of JAX's leaves."""
    space = policy.agent.observation_space
    return [*observation_names(space, "observation"), *memory_names(policy.memory_shapes(), memory)]


def observation_names(space: spaces.Space, prefix: str) -> list[str]:
    """A name for each array of an observation: dictionaries by sorted keys."""
    parts = parts_of(space)
    if parts is None:
        return [prefix]
    named = sorted(parts.items()) if isinstance(parts, dict) else list(enumerate(parts))
    return [name for key, part in named for name in observation_names(part, f"{prefix}.{key}")]


def memory_names(memory: PyTree, prefix: str) -> list[str]:
    """A name for each array of a memory."""
    count = len(jax.tree.leaves(memory))
    return [prefix] if count == 1 else [f"{prefix}.{k}" for k in range(count)]


@contextlib.contextmanager
def quiet_conversion() -> Iterator[None]:
    """Conversion without lines of its own, and with JAX's default rules of broadcasting.

    jax2onnx leaves a handler at the root of `logging`, and onnx_ir warns of shapes that no runtime
    needs: both are undone.
    """
    root, shapes = logging.getLogger(), logging.getLogger("onnx_ir.serde")
    handlers, levels = list(root.handlers), (root.level, shapes.level)
    shapes.setLevel(logging.ERROR)
    try:
        with jax.numpy_rank_promotion("allow"):
            yield
    finally:
        root.setLevel(levels[0])
        shapes.setLevel(levels[1])
        for handler in [one for one in root.handlers if one not in handlers]:
            root.removeHandler(handler)
