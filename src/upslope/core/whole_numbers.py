"""Uniform whole numbers below a bound that is known only when the program runs."""

# `jnp.uint32` has no types for what it returns.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, UInt32


def scaled_below(
    words: UInt32[Array, "*shape"], bound: Int[Array, ""]
) -> tuple[Int[Array, "*shape"], Bool[Array, "*shape"]]:
    r"""Random words as numbers in [0, n), and which of them may be kept.

    .. math:: x = \lfloor n w / 2^{32} \rfloor, \qquad
       \text{kept where } n w \bmod 2^{32} \ge 2^{32} \bmod n

    Of the words that are kept exactly :math:`\lfloor 2^{32} / n \rfloor` give each number: kept
    numbers are uniform without any bias, and less than n / 2^32 of the words are lost. It costs
    two products where `jax.random.randint` draws twice the words and divides.

    Args:
      words: uniform uint32.
      bound: n, 1 <= n < 2^31.

    Returns:
      int32 numbers, and whether each may be kept (draw the others again).

    References:
      Lemire (2019), "Fast random integer generation in an interval".
    """
    n = bound.astype(jnp.uint32)
    # The upper word of a 64-bit product, by halves: 64-bit integers are off in JAX by default.
    half = jnp.uint32(0xFFFF)
    word_high, word_low = words >> 16, words & half
    n_high, n_low = n >> 16, n & half
    middle = word_high * n_low
    cross = ((word_low * n_low) >> 16) + (middle & half) + word_low * n_high
    upper = word_high * n_high + (middle >> 16) + (cross >> 16)
    fair = words * n >= (jnp.uint32(0) - n) % n
    return upper.astype(jnp.int32), fair
