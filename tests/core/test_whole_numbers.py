"""Uniform whole numbers from random words: exact, and against Python's own arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.whole_numbers import scaled_below


@pytest.mark.parametrize("bound", [1, 2, 3, 7, 1000, 65_535, 65_536, 65_537, 10**6, 2**31 - 1])
def test_the_upper_word_is_that_of_the_whole_product(bound):
    edges = np.array([0, 1, 0xFFFF, 0x10000, 0x10001, 2**31, 2**32 - 1], np.uint32)
    words = np.concatenate([edges, np.random.default_rng(0).integers(0, 2**32, 2000, np.uint32)])
    numbers, fair = scaled_below(jnp.asarray(words), jnp.asarray(bound))
    for word, number, kept in zip(words.tolist(), numbers.tolist(), fair.tolist(), strict=True):
        assert number == (word * bound) >> 32
        assert kept == ((word * bound) % 2**32 >= 2**32 % bound)


def test_every_number_has_as_many_words_as_any_other():
    """The rule on words of 8 bits, counted whole: what the docstring claims of those of 32."""
    for bound in range(1, 200):
        kept = [word * bound >> 8 for word in range(256) if word * bound % 256 >= 256 % bound]
        assert set(np.bincount(kept, minlength=bound)) == {256 // bound}


def test_draws_are_uniform():
    """Chi-square on 1,000 cells, 10^6 draws; the false alarm rate is 1e-4."""
    words = jax.random.bits(jax.random.key(3), (10**6,), jnp.uint32)
    numbers, fair = scaled_below(words, jnp.asarray(1000))
    counts = np.bincount(np.asarray(numbers)[np.asarray(fair)], minlength=1000)
    statistic = float(np.sum((counts - counts.mean()) ** 2) / counts.mean())
    assert statistic < 1174  # the 0.9999 quantile of chi-square with 999 degrees of freedom

    # The wrong variant: the low bits' remainder of a bound that does not divide the word space.
    wrong = np.bincount(np.asarray(words >> 22) % 1000, minlength=1000)  # 10-bit words
    assert float(np.sum((wrong - wrong.mean()) ** 2) / wrong.mean()) > 1174
