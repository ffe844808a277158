"""Loops that stay loops under vmap: one trip count for the whole batch."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap


@custom_vmap
def any_across_batch(flags: Array) -> Array:
    """Whether any flag is set, here or in any other row of every enclosing vmap; a scalar.

    As the condition of a `lax.while_loop` it keeps the trip count common to the batch. With a
    condition per row, JAX would copy the whole carry (buffers included) at every step to hold
    finished rows still; a body that masks what it writes does not need that.
    """
    return jnp.any(flags)


@any_across_batch.def_vmap
def _any_in_batch(axis_size: int, in_batched: list[bool], flags: Array) -> tuple[Array, bool]:
    return any_across_batch(flags), False


@custom_vmap
def max_across_batch(count: Array) -> Array:
    """The largest count, here or in any other row of every enclosing vmap; a scalar."""
    return jnp.max(count)


@max_across_batch.def_vmap
def _max_in_batch(axis_size: int, in_batched: list[bool], count: Array) -> tuple[Array, bool]:
    return max_across_batch(count), False


__all__ = ["any_across_batch", "max_across_batch"]
