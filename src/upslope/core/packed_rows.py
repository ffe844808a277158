"""Many small columns as one matrix, so that shuffling them is one gather."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.annotations import PyTree

# Columns wider than this many numbers (images) gain nothing from being packed.
WIDEST = 256


class Columns(NamedTuple):
    """Where a leaf stands in the matrix, and what it is outside of it."""

    start: int
    width: int
    shape: tuple[int, ...]
    dtype: np.dtype


def pack_rows(batch: PyTree) -> tuple[Array, list[Array], Callable[[Array, list[Array]], PyTree]]:
    """Rows of a batch in one matrix of 32-bit words, bit for bit.

    A gather costs the CPU more to start than to do, and a batch has a dozen leaves; a leaf that
    occurs twice is packed once. Wide leaves and 64-bit ones stay as they are.

    Args:
      batch: leaves [B, ...].

    Returns:
      The matrix [B, K] of uint32; the leaves [B, ...] that stay apart; and
      `unpack(words, apart)`, which rebuilds the batch from rows of both.
    """
    leaves, structure = jax.tree.flatten(batch)
    words: list[Array] = []
    apart: list[Array] = []
    places: list[Columns | int] = []  # an int is an index into `apart`
    seen: dict[int, Columns | int] = {}
    column = 0
    for leaf in leaves:
        if id(leaf) in seen:
            places.append(seen[id(leaf)])
            continue
        width = math.prod(leaf.shape[1:])
        if width > WIDEST or leaf.dtype.itemsize > 4 or leaf.dtype.name in ("float16", "bfloat16"):
            place = len(apart)
            apart.append(leaf)
        else:
            place = Columns(column, width, leaf.shape[1:], leaf.dtype)
            words.append(to_words(leaf).reshape(leaf.shape[0], width))
            column += width
        seen[id(leaf)] = place
        places.append(place)

    def unpack(rows: Array, others: list[Array]) -> PyTree:
        def rebuild(place: Columns | int) -> Array:
            if isinstance(place, int):
                return others[place]
            start, width, shape, dtype = place
            return from_words(rows[:, start : start + width], dtype).reshape(-1, *shape)

        return jax.tree.unflatten(structure, [rebuild(place) for place in places])

    size = leaves[0].shape[0]
    matrix = jnp.concatenate(words, axis=1) if words else jnp.zeros((size, 0), jnp.uint32)
    return matrix, apart, unpack


def to_words(leaf: Array) -> Array:
    """The bits of 32-bit numbers; smaller integers and booleans are widened first."""
    if leaf.dtype.itemsize < 4:
        leaf = leaf.astype(jnp.int32)
    return jax.lax.bitcast_convert_type(leaf, jnp.uint32)


def from_words(words: Array, dtype: np.dtype) -> Array:
    """The inverse of `to_words`."""
    if dtype.itemsize < 4:
        return jax.lax.bitcast_convert_type(words, jnp.int32).astype(dtype)
    return jax.lax.bitcast_convert_type(words, dtype)
