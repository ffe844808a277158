"""Loops that stay loops under vmap: one trip count for the whole batch."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap


@custom_vmap
def anywhere(flags: Array) -> Array:
    """Whether any flag is set, here or in any other row of every enclosing vmap; a scalar.

    As the condition of a `lax.while_loop` it keeps the trip count common to the batch. With a
    condition per row, JAX would copy the whole carry (buffers included) at every step to hold
    finished rows still; a body that masks what it writes does not need that.
    """
    return jnp.any(flags)


@anywhere.def_vmap
def _anywhere_in_batch(axis_size: int, in_batched: list[bool], flags: Array) -> tuple[Array, bool]:
    return anywhere(flags), False


@custom_vmap
def largest(count: Array) -> Array:
    """The largest count, here or in any other row of every enclosing vmap; a scalar."""
    return jnp.max(count)


@largest.def_vmap
def _largest_in_batch(axis_size: int, in_batched: list[bool], count: Array) -> tuple[Array, bool]:
    return largest(count), False


__all__ = ["anywhere", "largest"]
