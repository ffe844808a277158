"""Running moments are NumPy's, however the stream was cut."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.moments import Moments


def merged(pieces):
    return functools.reduce(Moments.merge, map(Moments.of, pieces), Moments.zeros((3,)))


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [[], [1], [50], [1, 2, 3, 4], [0, 20, 20, 99]], ids=str)
def test_any_cut_gives_numpys_mean_and_variance(x64, cuts):
    data = np.random.default_rng(0).normal(size=(100, 3)) * [1, 10, 0.1] + [0, 5, -100]
    got = merged([jnp.asarray(piece) for piece in np.split(data, cuts)])
    assert float(got.count) == 100
    np.testing.assert_allclose(got.mean, data.mean(axis=0), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(got.variance, data.var(axis=0), rtol=1e-10)


def test_a_large_offset_costs_no_precision():
    """In float32 the naive E[x^2] - E[x]^2 would be all rounding here."""
    rng = np.random.default_rng(1)
    data = (1e4 + rng.normal(size=(50, 200, 1))).astype(np.float32)
    got = functools.reduce(Moments.merge, map(Moments.of, map(jnp.asarray, data)))
    np.testing.assert_allclose(got.variance, data.astype(np.float64).var(), rtol=5e-3)


def test_only_valid_samples_count_whatever_the_others_are():
    data = jnp.asarray([[[1.0], [jnp.nan]], [[3.0], [jnp.inf]]])
    got = Moments.of(data, jnp.asarray([[True, False], [True, False]]))
    assert (float(got.count), float(got.mean[0]), float(got.variance[0])) == (2.0, 2.0, 1.0)
    empty = Moments.of(data, jnp.zeros((2, 2), bool))
    same = got.merge(empty)
    jax.tree.map(np.testing.assert_array_equal, same, got)


def test_scalars_and_images():
    scalars = Moments.of(jnp.arange(6.0).reshape(2, 3), jnp.ones((2, 3), bool))
    np.testing.assert_allclose(scalars.variance, np.arange(6).var(), rtol=1e-6)
    assert Moments.of(jnp.ones((5, 4, 4, 1))).mean.shape == (4, 4, 1)


def test_normalised_samples_and_their_clip():
    got = Moments.of(jnp.asarray([[0.0], [2.0], [4.0]]))
    scale = np.sqrt(8 / 3)
    np.testing.assert_allclose(got.normalize(jnp.asarray([4.0])), [2 / scale], rtol=1e-5)
    np.testing.assert_allclose(got.normalize(jnp.asarray([1e9])), [10.0])
    np.testing.assert_allclose(got.normalize(jnp.asarray([-1e9]), clip=3.0), [-3.0])


def test_before_two_samples_the_variance_is_one():
    for moments in (Moments.zeros((2,)), Moments.of(jnp.asarray([[5.0, 6.0]]))):
        np.testing.assert_array_equal(moments.variance, [1.0, 1.0])
    np.testing.assert_allclose(Moments.zeros((1,)).normalize(jnp.asarray([3.0])), [3.0])


def test_no_gradient_flows_into_the_moments():
    def score(moments, x):
        return jnp.sum(moments.normalize(x))

    moments = Moments.of(jnp.asarray([[0.0], [2.0]]))
    frozen, through = jax.grad(score, argnums=(0, 1))(moments, jnp.asarray([1.5]))
    assert all(float(jnp.abs(leaf).max()) == 0.0 for leaf in jax.tree.leaves(frozen))
    np.testing.assert_allclose(through, [1.0], rtol=1e-5)
