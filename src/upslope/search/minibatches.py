"""Epochs of shuffled minibatches over one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def shuffles(key: Array, count: int, size: int) -> Array:
    """`count` independent uniform permutations of range(size), [count, size]. Consumes the key.

    They come from sorting random bits; among 32-bit keys a tie (which keeps its order) has a
    probability of about size^2 / 2^33.
    """
    return jnp.argsort(jax.random.bits(key, (count, size)), axis=1)


def minibatches(
    key: Array,
    update: Callable[[Any, Any], tuple[Any, None]],
    carry: Any,
    batch: Any,
    memories: Any,
    n_epochs: int,
    size: int,
    streams: bool,
) -> Any:
    """Scans `update` over all minibatches of all epochs; every step is used once per epoch.

    Args:
      key: consumed by the shuffles.
      update: `(carry, (minibatch, memories)) -> (carry, None)`.
      batch: leaves [T, N, ...].
      memories: leaves [N, ...]; given to `update` beside whole streams.
      n_epochs: passes over the batch.
      size: rows per minibatch, or columns with `streams`.
      streams: shuffle whole columns [T, n, ...] instead of rows [B, ...].

    Returns:
      The last carry.
    """
    n_steps, n_envs = jax.tree.leaves(batch)[0].shape[:2]
    total = n_envs if streams else n_steps * n_envs
    order = shuffles(key, n_epochs, total).reshape(n_epochs * (total // size), size)
    if not streams:
        batch = jax.tree.map(lambda leaf: leaf.reshape(total, *leaf.shape[2:]), batch)

    def step(carry: Any, rows: Array) -> tuple[Any, None]:
        if streams:
            columns = jax.tree.map(lambda leaf: leaf[:, rows], batch)
            return update(carry, (columns, jax.tree.map(lambda leaf: leaf[rows], memories)))
        return update(carry, (jax.tree.map(lambda leaf: leaf[rows], batch), ()))

    return jax.lax.scan(step, carry, order)[0]
