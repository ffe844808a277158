"""Arithmetic on trees of arrays, and what of a policy is searched and what only carried."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.moments import Moments
from upslope.core.non_trainable import NonTrainable

T = TypeVar("T")


def is_non_trainable(node: object) -> bool:
    """True for parts of a policy that travel with it unsearched: its moments, fixed features."""
    return isinstance(node, Moments | NonTrainable)


def ravel_parameters(policy: T) -> tuple[Array, Callable[[Array], T]]:
    """The searched numbers of a policy as one vector [D], and the way back.

    Observation moments and fixed features are not parameters: they are left out of the vector and
    put back by the returned function.

    Args:
      policy: any tree of arrays.

    Returns:
      The vector theta [D] and `unravel`, which maps a vector [D] to a policy of the same structure.
    """
    leaves, structure = jax.tree.flatten(policy, is_leaf=is_non_trainable)
    searched = [leaf for leaf in leaves if not is_non_trainable(leaf)]
    vector, unravel_searched = ravel_pytree(searched)

    def unravel(theta: Array) -> T:
        numbers = iter(unravel_searched(theta))
        return jax.tree.unflatten(
            structure, [leaf if is_non_trainable(leaf) else next(numbers) for leaf in leaves]
        )

    return vector, unravel


def stack(trees: list[T]) -> T:
    """Trees of one structure as one tree whose leaves have a new leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def take(tree: T, index: int | slice | Array) -> T:
    """Every leaf indexed by `index` along its first axis."""

    def at(leaf: Array) -> Array:
        return leaf[index]

    return jax.tree.map(at, tree)


def where(condition: Array, then: T, otherwise: T) -> T:
    """Leafwise `jnp.where`, the condition broadcast over trailing axes.

    Args:
      condition: booleans [N] (or a scalar).
      then: a tree of leaves [N, ...].
      otherwise: the same structure.
    """

    def choose(a: Array, b: Array) -> Array:
        shape = condition.shape + (1,) * (jnp.ndim(a) - condition.ndim)
        return jnp.where(condition.reshape(shape), a, b)

    return jax.tree.map(choose, then, otherwise)
