"""Epochs of shuffled minibatches over one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import jax
from jax import Array

from upslope.core.annotations import Memory
from upslope.core.packed_rows import pack_rows
from upslope.core.shuffles import shuffles

Carry = TypeVar("Carry")
Batch = TypeVar("Batch")

# How many steps of a batch the diagnostics after its updates are means over.
SEEN = 256


def minibatches(
    key: Array,
    update: Callable[[Carry, tuple[Batch, tuple[Memory, ...]]], tuple[Carry, None]],
    carry: Carry,
    batch: Batch,
    memories: tuple[Memory, ...],
    n_epochs: int,
    size: int,
    streams: bool,
    seen: int = SEEN,
) -> tuple[Carry, tuple[Batch, tuple[Memory, ...]]]:
    """Scans `update` over all minibatches of all epochs; every step is used once per epoch.

    Args:
      key: consumed by the shuffles.
      update: `(carry, (minibatch, memories)) -> (carry, None)`.
      batch: leaves [T, N, ...].
      memories: leaves [N, ...]; given to `update` beside whole streams.
      n_epochs: passes over the batch.
      size: rows per minibatch, or columns with `streams`.
      streams: shuffle whole columns [T, n, ...] instead of rows [B, ...].
      seen: how many steps to give back, drawn without replacement.

    Returns:
      The last carry; and `(minibatch, memories)` of the last minibatches: at least `seen` steps, or
      all there are.
    """
    n_steps, n_envs = jax.tree.leaves(batch)[0].shape[:2]
    total = n_envs if streams else n_steps * n_envs
    order = shuffles(key, n_epochs, total).reshape(n_epochs * (total // size), size)
    wanted = -(-seen // n_steps) if streams else seen
    last = order[-min(-(-wanted // size), total // size) :].reshape(-1)
    if streams:

        def columns(rows: Array) -> tuple[Batch, tuple[Memory, ...]]:
            return (
                jax.tree.map(lambda leaf: leaf[:, rows], batch),
                jax.tree.map(lambda leaf: leaf[rows], memories),
            )

        carry = jax.lax.scan(lambda carry, rows: update(carry, columns(rows)), carry, order)[0]
        return carry, columns(last)

    # Leaves that are one array stay one array: `pack_rows` knows them by identity.
    flat: dict[int, Array] = {}
    for leaf in jax.tree.leaves(batch):
        flat.setdefault(id(leaf), leaf.reshape(total, *leaf.shape[2:]))
    words, apart, unpack = pack_rows(jax.tree.map(lambda leaf: flat[id(leaf)], batch))

    def some(rows: Array) -> tuple[Batch, tuple[Memory, ...]]:
        return unpack(words[rows], [leaf[rows] for leaf in apart]), ()

    carry = jax.lax.scan(lambda carry, rows: update(carry, some(rows)), carry, order)[0]
    return carry, some(last)
