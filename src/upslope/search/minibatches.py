"""Epochs of shuffled minibatches over one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from upslope.search.packed_rows import pack_rows


def shuffles(key: Array, count: int, size: int) -> Array:
    """`count` independent permutations of range(size), [count, size]. Consumes the key.

    Every entry gets random high bits and its own index as low bits; sorting these single numbers
    is an order of magnitude faster than sorting pairs. Entries whose random bits agree keep their
    order: at most one pair in 2^(32 - log2(size)) of them, which no search can notice.
    """
    index = jnp.arange(size, dtype=jnp.uint32)[None]
    offset = jax.random.bits(key, (count, 1), jnp.uint32)
    bits = mixed(
        jnp.uint32(0x9E3779B1) * jnp.broadcast_to(index, (count, size))
        + jnp.broadcast_to(offset, (count, size))
    )
    if size > 2**18:
        return jnp.argsort(bits, axis=1)
    low = jnp.uint32(2 ** max(size - 1, 1).bit_length() - 1)
    packed = (bits & ~low) | index
    return (jax.lax.sort(packed, dimension=1, is_stable=False) & low).astype(jnp.int32)


def mixed(words: Array) -> Array:
    """A bijection of 32-bit words that flips each output bit with probability one half.

    An order needs fewer good bits than a gradient does; a hash of a random offset and the index is
    a tenth of the cost of drawing every word.

    References:
      Appleby (2011), MurmurHash3, the 32-bit finaliser.
    """
    words = (words ^ (words >> 16)) * jnp.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * jnp.uint32(0xC2B2AE35)
    return words ^ (words >> 16)


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
    if streams:

        def whole(carry: Any, rows: Array) -> tuple[Any, None]:
            columns = jax.tree.map(lambda leaf: leaf[:, rows], batch)
            return update(carry, (columns, jax.tree.map(lambda leaf: leaf[rows], memories)))

        return jax.lax.scan(whole, carry, order)[0]

    # Leaves that are one array stay one array: `pack_rows` knows them by identity.
    flat: dict[int, Array] = {}
    for leaf in jax.tree.leaves(batch):
        flat.setdefault(id(leaf), leaf.reshape(total, *leaf.shape[2:]))
    words, apart, unpack = pack_rows(jax.tree.map(lambda leaf: flat[id(leaf)], batch))

    def step(carry: Any, rows: Array) -> tuple[Any, None]:
        return update(carry, (unpack(words[rows], [leaf[rows] for leaf in apart]), ()))

    return jax.lax.scan(step, carry, order)[0]
