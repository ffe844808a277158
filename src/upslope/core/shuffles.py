"""Random permutations, many at once."""

# `lax.sort` and `jnp.uint32` have no types for what they return.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

# Rounds of the network that shuffles; four suffice in theory, were the round functions random.
ROUNDS = 8
# Fewer rows than this are sorted.
SMALLEST_NETWORK = 64


def shuffles(key: Array, count: int, size: int) -> Array:
    """`count` independent permutations of range(size), [count, size]. Consumes the key.

    A power of two is permuted by a network, which costs a fraction of a sort; other sizes sort
    random words.
    """
    if size >= SMALLEST_NETWORK and size.bit_count() == 1:
        return feistel_network(jax.random.bits(key, (ROUNDS, count), jnp.uint32), size)
    return sorted_words(key, count, size)


def feistel_network(keys: Array, size: int) -> Array:
    r"""Permutations of a power of two by a Feistel network, one for each column of keys.

    The index is cut in two halves (L, R); each round replaces one of them:

    .. math:: L \leftarrow L \oplus F(R, k_i), \qquad R \leftarrow R \oplus F(L, k_{i+1})

    A bijection whatever F is; with a mixing F and a few rounds it passes for a random one.

    Args:
      keys: uint32 [rounds, count].
      size: a power of two.

    Returns:
      int32 [count, size].

    References:
      Luby and Rackoff (1988); Mitchell et al. (2022), "Bandwidth-optimal random shuffling for
      GPUs", for shuffles by bijections.
    """
    low = (size.bit_length() - 1) // 2
    right_mask, left_mask = jnp.uint32(2**low - 1), jnp.uint32((size >> low) - 1)
    index = jnp.broadcast_to(jnp.arange(size, dtype=jnp.uint32)[None], (keys.shape[1], size))
    left, right = index >> low, index & right_mask
    for number, key in enumerate(keys):
        key = jnp.broadcast_to(key[:, None], index.shape)
        if number % 2:
            right = right ^ (mixed(left * jnp.uint32(0x9E3779B1) + key) & right_mask)
        else:
            left = left ^ (mixed(right * jnp.uint32(0x9E3779B1) + key) & left_mask)
    return ((left << low) | right).astype(jnp.int32)


def sorted_words(key: Array, count: int, size: int) -> Array:
    """Permutations of any size by sorting random words, [count, size]. Consumes the key.

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
