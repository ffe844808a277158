"""What a network reads: any observation as one vector of floats, and its action mask."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Shaped

from upslope.core.annotations import Observation

ACTION_MASK = "action_mask"
# Sizes of the one-hot blocks of an observation; of a tree, one tuple per leaf.
Categories = tuple[int, ...] | tuple[tuple[int, ...], ...]


def action_mask(observation: Observation) -> Bool[Array, " A"] | None:
    """Which actions are allowed, booleans [A]: the field `action_mask` of a dict; else None."""
    if isinstance(observation, Mapping) and ACTION_MASK in observation:
        return observation[ACTION_MASK] != 0
    return None


def without_mask(observation: Observation) -> Observation:
    """The observation without its field `action_mask`, which is no input."""
    if isinstance(observation, Mapping):
        return {name: part for name, part in observation.items() if name != ACTION_MASK}
    return observation


def encode(observation: Observation, categories: Categories) -> Float[Array, " n"]:
    """An observation as a vector of floats [I].

    The leaves of a tree follow each other in JAX's order: dicts by sorted keys (Gymnasium's order
    for `Dict` spaces, too), tuples by position. `action_mask` is left out.

    Args:
      observation: numbers of any shape, or one int for each category; or a tree of these.
      categories: sizes of the categories, each of which becomes a one-hot block; empty for numbers.
        Of a tree, one such tuple per leaf, or empty when no leaf has categories. Bytes are scaled
        by 1/255.
    """
    if isinstance(observation, Mapping | tuple | list):
        leaves = jax.tree.leaves(without_mask(observation))
        per_leaf = categories or ((),) * len(leaves)
        return jnp.concatenate(
            [encode_leaf(leaf, sizes) for leaf, sizes in zip(leaves, per_leaf, strict=True)]  # pyright: ignore[reportArgumentType]
        )
    return encode_leaf(observation, categories)  # pyright: ignore[reportArgumentType]


def encode_leaf(leaf: Shaped[Array, " ..."], sizes: tuple[int, ...]) -> Float[Array, " n"]:
    """One array as a vector of floats; see `encode`."""
    if not sizes:
        scale = 255.0 if leaf.dtype == jnp.uint8 else 1.0
        return leaf.astype(float).ravel() / scale
    indices = leaf.ravel()
    blocks = [indices[k] == jnp.arange(size) for k, size in enumerate(sizes)]
    return jnp.concatenate(blocks).astype(float)


def encoded_size(categories: Categories) -> int:
    """How many numbers the one-hot blocks of these sizes make."""
    return sum(encoded_size(part) if isinstance(part, tuple) else part for part in categories)
