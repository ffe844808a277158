"""Scalars as categories: published numbers, exact inverses, and the mistakes that are made."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.models import ValueSupport

SUPPORT = ValueSupport(10)
NUMBERS = [0.0, 1e-4, -1e-4, 0.3, -1.0, 7.0, 99.5, -118.0]


@pytest.mark.parametrize(
    ("x", "y"),
    [(0.0, 0.0), (1.0, 0.41521356), (-1.0, -0.41521356), (99.0, 9.099), (3.0, 1.003)],
)
def test_the_transform_by_hand(x, y):
    """sign(x) (sqrt(|x| + 1) - 1) + 0.001 x."""
    np.testing.assert_allclose(SUPPORT.transform(x), y, rtol=1e-6)
    np.testing.assert_allclose(SUPPORT.inverse(y), x, rtol=1e-5, atol=1e-6)


def test_the_inverse_is_exact(x64):
    numbers = jnp.concatenate([jnp.linspace(-1e5, 1e5, 1001), jnp.asarray(NUMBERS)])
    np.testing.assert_allclose(SUPPORT.inverse(SUPPORT.transform(numbers)), numbers, rtol=1e-9)
    # The root alone, a frequent shortcut, is no inverse.
    shortcut = jnp.sign(numbers) * ((jnp.abs(SUPPORT.transform(numbers)) + 1) ** 2 - 1)
    assert float(jnp.max(jnp.abs(shortcut - numbers) / (jnp.abs(numbers) + 1))) > 0.01


def test_small_numbers_keep_their_digits_in_single_precision():
    """The textbook form of the inverse is a difference of two numbers near one."""
    small = jnp.asarray([1e-3, 1e-2, 0.5], jnp.float32)
    np.testing.assert_allclose(SUPPORT.inverse(SUPPORT.transform(small)), small, rtol=3e-4)
    y, e = SUPPORT.transform(small), jnp.float32(0.001)
    textbook = ((jnp.sqrt(1 + 4 * e * (y + 1 + e)) - 1) / (2 * e)) ** 2 - 1
    assert float(jnp.max(jnp.abs(textbook - small) / small)) > 3e-4


def test_two_hot_by_hand():
    """h(99) = 9.099: on 9 and 10, in the places 19 and 20 of 21."""
    found = SUPPORT.two_hot(99.0)
    expected = np.zeros(21)
    expected[19], expected[20] = 0.901, 0.099
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(jnp.argmax(SUPPORT.two_hot(0.0)), 10)
    np.testing.assert_allclose(SUPPORT.two_hot(1e6), np.eye(21)[20])  # beyond: told as the limit
    np.testing.assert_allclose(SUPPORT.two_hot(-1e6), np.eye(21)[0])


def test_two_hot_and_back():
    numbers = jnp.asarray([x for x in NUMBERS if abs(x) < float(SUPPORT.limit)])
    two_hot = SUPPORT.two_hot(numbers)
    np.testing.assert_allclose(jnp.sum(two_hot, axis=-1), 1.0, rtol=1e-6)
    assert int(jnp.max(jnp.sum(two_hot > 0, axis=-1))) <= 2
    logits = jnp.log(jnp.maximum(two_hot, 1e-30))
    np.testing.assert_allclose(SUPPORT.mean(logits), numbers, rtol=1e-4, atol=1e-5)
    # A mean of values in the place of the value of the mean is another number.
    atoms = SUPPORT.inverse(jnp.arange(-10.0, 11.0))
    assert abs(float(jax.nn.softmax(logits[-2]) @ atoms) - float(numbers[-2])) > 0.1


def test_the_cross_entropy_is_least_where_the_two_hot_is_told():
    x = jnp.asarray(7.0)
    right = jnp.log(jnp.maximum(SUPPORT.two_hot(x), 1e-30))
    entropy = -jnp.sum(SUPPORT.two_hot(x) * right)
    np.testing.assert_allclose(SUPPORT.cross_entropy(right, x), entropy, rtol=1e-4)
    logits = jax.random.normal(jax.random.key(0), (21,))
    assert float(SUPPORT.cross_entropy(logits, x)) > float(entropy)
    slope = jax.grad(lambda logits: SUPPORT.cross_entropy(logits, x))(logits)
    np.testing.assert_allclose(slope, jax.nn.softmax(logits) - SUPPORT.two_hot(x), atol=1e-6)


def test_values_beyond_the_support_are_told_as_its_limit():
    for size, limit in ((10, 117), (20, 422), (30, 904)):
        assert int(ValueSupport(size).limit) == limit
    with pytest.raises(UpslopeError, match=r"size=0.*at least 1"):
        ValueSupport(0)
