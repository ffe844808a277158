"""Trees as vectors, what is left out of them, and leafwise arithmetic."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core import tree
from upslope.core.moments import Moments
from upslope.core.non_trainable import NonTrainable


class Features(NonTrainable):
    table: Array


class Model(eqx.Module):
    weights: Array
    moments: Moments
    features: Features
    bias: Array
    size: int = eqx.field(static=True, default=2)


def model(fill=0.0) -> Model:
    return Model(
        jnp.arange(6.0).reshape(2, 3), Moments.zeros((3,)), Features(jnp.ones(4)), jnp.full(2, fill)
    )


def test_the_vector_holds_what_is_searched_and_nothing_else():
    vector, unravel = tree.ravel_parameters(model(7.0))
    np.testing.assert_array_equal(vector, [0, 1, 2, 3, 4, 5, 7, 7])
    back = unravel(2.0 * vector)
    np.testing.assert_array_equal(back.weights, 2.0 * model().weights)
    np.testing.assert_array_equal(back.features.table, np.ones(4))
    assert jax.tree.structure(back) == jax.tree.structure(model())


def test_unravelling_can_be_vmapped_and_differentiated():
    vector, unravel = tree.ravel_parameters(model())
    many = jax.vmap(unravel)(jnp.stack([vector, vector + 1.0]))
    assert many.weights.shape == (2, 2, 3)
    gradient = jax.grad(lambda v: jnp.sum(unravel(v).weights ** 2))(vector)
    np.testing.assert_array_equal(gradient, [0, 2, 4, 6, 8, 10, 0, 0])


def test_stack_and_take_are_inverse():
    stacked = tree.stack([model(1.0), model(2.0)])
    jax.tree.map(np.testing.assert_array_equal, tree.take(stacked, 1), model(2.0))


def test_where_spreads_the_condition_over_trailing_axes():
    condition = jnp.asarray([True, False])
    got = tree.where(condition, (jnp.ones((2, 3)), jnp.ones(2)), (jnp.zeros((2, 3)), jnp.zeros(2)))
    np.testing.assert_array_equal(got[0], [[1, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(got[1], [1, 0])
    assert float(tree.where(jnp.asarray(False), jnp.asarray(1.0), jnp.asarray(2.0))) == 2.0


def test_where_chooses_among_typed_keys():
    keys = jax.random.split(jax.random.key(0), 3)
    others = jax.random.split(jax.random.key(1), 3)
    got = tree.where(jnp.asarray([True, False, True]), keys, others)
    expected = np.asarray(jax.random.key_data(keys)).copy()
    expected[1] = jax.random.key_data(others)[1]
    np.testing.assert_array_equal(jax.random.key_data(got), expected)
