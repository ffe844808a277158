"""Permutations are drawn uniformly, and a test that could not see otherwise would fail."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.shuffles import feistel_network, shuffles


@pytest.mark.slow
@pytest.mark.parametrize("size", [6, 64, 100, 128])
def test_shuffles_are_uniform(size):
    """The place of element 0, and what stands beside it: chi-squared below 1 - 1e-6."""
    draws = 1000 * size
    order = np.asarray(shuffles(jax.random.key(1), draws, size))
    np.testing.assert_array_equal(np.sort(order[:100], axis=1), np.tile(np.arange(size), (100, 1)))
    place = np.argmin(order, axis=1)
    assert chi_squared(place, size) < bound(size - 1)
    neighbour = order[np.arange(draws), (place + 1) % size]
    assert chi_squared(neighbour - 1, size - 1) < bound(size - 2)


def test_two_rounds_are_seen_not_to_shuffle():
    keys = jax.random.bits(jax.random.key(2), (2, 64_000), jnp.uint32)
    order = np.asarray(feistel_network(keys, 64))
    neighbour = order[np.arange(len(order)), (np.argmin(order, axis=1) + 1) % 64]
    assert chi_squared(neighbour - 1, 63) > bound(62)


def chi_squared(seen, size):
    counts = np.bincount(seen, minlength=size)
    expected = len(seen) / size
    return ((counts - expected) ** 2 / expected).sum()


def bound(degrees):
    """The quantile 1 - 1e-6 of chi-squared (Wilson and Hilferty's approximation)."""
    return degrees * (1 - 2 / (9 * degrees) + 4.753 * np.sqrt(2 / (9 * degrees))) ** 3
