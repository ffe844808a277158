"""Traced functions evaluated anew, in operations that jax2onnx converts with a symbolic batch."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax
from jax.extend import core

CALLS = ("jit", "pjit", "custom_jvp_call", "custom_vjp_call")


def evaluate(closed: core.ClosedJaxpr, arguments: Sequence[Array]) -> list[Array]:
    """The outputs of a traced function, for one example; callers vmap.

    Equal, bit for bit, to evaluating it as it stands. A row of a table is a masked sum over all of
    its rows, and the remainder of ints a difference: as a slice and a remainder with a symbolic
    axis they convert to models that are wrong or refused (jax2onnx 0.17).
    """
    jaxpr = closed.jaxpr
    known: dict[core.Var, Array] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    known |= dict(zip(jaxpr.invars, arguments, strict=True))

    def read(atom: core.Var | core.Literal) -> Array:
        return atom.val if isinstance(atom, core.Literal) else known[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        known |= dict(zip(equation.outvars, outputs_of(equation, inputs), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def outputs_of(equation: core.JaxprEqn, inputs: list[Array]) -> list[Array]:
    """The outputs of one equation."""
    name, settings = equation.primitive.name, equation.params
    inner = settings.get("jaxpr", settings.get("call_jaxpr"))
    if name in CALLS and isinstance(inner, core.ClosedJaxpr):
        return evaluate(inner, inputs)
    if name == "dynamic_slice" and settings["slice_sizes"] == (1, *inputs[0].shape[1:]):
        return [row_of(inputs[0], inputs[1])]
    if name == "rem" and jnp.issubdtype(inputs[0].dtype, jnp.integer):
        return [inputs[0] - inputs[1] * lax.div(*inputs)]
    found = equation.primitive.bind(*inputs, **settings)
    return list(found) if equation.primitive.multiple_results else [found]


def row_of(table: Array, index: Array) -> Array:
    """Row `index` of a table [rows, ...], as [1, ...]; an index outside is clipped."""
    chosen = jnp.arange(table.shape[0]) == jnp.clip(index, 0, table.shape[0] - 1)
    chosen = chosen.reshape(-1, *(1,) * (table.ndim - 1))
    rows = jnp.where(chosen, table, jnp.zeros((), table.dtype))
    return jnp.sum(rows, axis=0, keepdims=True).astype(table.dtype)
