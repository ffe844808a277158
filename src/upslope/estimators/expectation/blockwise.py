"""Sums over the valid steps of a batch, at a cost that follows their number, not the padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool

from upslope.core.unbatched_reductions import max_across_batch

T = TypeVar("T")
Rows = TypeVar("Rows")


def blockwise_sum(
    summand: Callable[[Rows, Bool[Array, " M"]], T],
    steps: Rows,
    valid: Bool[Array, " M"],
    block: int = 1024,
) -> T:
    """The sum of `summand` over blocks of the valid steps.

    Valid rows are moved to the front, then blocks of rows are processed until the last valid one:
    the padding after short episodes costs nothing.

    Args:
      summand: `(rows [B, ...], valid [B]) -> tree`, additive over rows; rows that are not valid
        must contribute zero.
      steps: a tree of leaves [M, ...].
      valid: booleans [M].
      block: B, rows per block.

    Returns:
      The same tree as `summand(steps, valid)`, up to the order of summation.
    """
    size = valid.shape[0]
    block = min(block, size)
    padded = -(-size // block) * block
    count = jnp.sum(valid)
    # Valid rows first, in their own order.
    target = jnp.where(valid, jnp.cumsum(valid) - 1, size)
    order = jnp.zeros(padded, int).at[target].set(jnp.arange(size), mode="drop")

    def rows(index: Array) -> tuple[Any, Array]:
        where = jax.lax.dynamic_slice(order, (index * block,), (block,))
        return jax.tree.map(lambda leaf: leaf[where], steps), (
            index * block + jnp.arange(block) < count
        )

    def add(carry: tuple[Array, T]) -> tuple[Array, T]:
        index, total = carry
        return index + 1, jax.tree.map(jnp.add, total, summand(*rows(index)))

    blocks = max_across_batch(-(-count // block))
    shape = jax.eval_shape(lambda: summand(*rows(jnp.asarray(0))))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shape)
    return jax.lax.while_loop(lambda carry: carry[0] < blocks, add, (jnp.asarray(0), zero))[1]
