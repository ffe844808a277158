"""Initialisers: orthonormal, uniform, and free of LAPACK."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from upslope.core.initializers import lecun_normal, orthogonal, orthogonal_layers

LIBRARY_CALL = re.compile(r'custom_call_target="[^"]*lapack')


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(64, 64), (64, 2), (3, 64), (1, 1), (200, 64)])
def test_the_shorter_side_is_orthonormal(shape):
    matrix = np.asarray(orthogonal(jax.random.key(0), shape, 3.0), float)
    gram = matrix.T @ matrix if shape[0] >= shape[1] else matrix @ matrix.T
    assert matrix.shape == shape
    np.testing.assert_allclose(gram, 9.0 * np.eye(min(shape)), atol=2e-5)


@pytest.mark.parametrize("wide", [40, 200_000])  # one loop; one by one
def test_layers_made_together_are_orthonormal_and_independent(wide):
    shapes, gains = [(wide, 6), (6, 6), (6, 6), (6, 1)], [2.0, 1.0, 1.0, 0.5]
    make = jax.jit(lambda key: orthogonal_layers(key, shapes, gains))
    layers = [np.asarray(w, float) for w in make(jax.random.key(0))]
    assert [w.shape for w in layers] == shapes
    for weight, gain in zip(layers, gains, strict=True):
        gram = weight.T @ weight
        np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=2e-5)
    assert np.abs(layers[1] - layers[2]).max() > 0.1


def test_it_is_uniform_over_orthogonal_matrices():
    """Every entry of a Haar 3x3 matrix is uniform on [-1, 1] (Archimedes), and the determinant has
    either sign half the time. Kolmogorov-Smirnov on 5000 matrices; false-alarm rate 1e-5."""
    keys = jax.random.split(jax.random.key(0), 5000)
    matrices = np.asarray(jax.jit(jax.vmap(lambda k: orthogonal(k, (3, 3))))(keys), float)
    for i in range(3):
        for j in range(3):
            assert scipy.stats.kstest(matrices[:, i, j], "uniform", (-1, 2)).pvalue > 1e-6
    positive = int((np.linalg.det(matrices) > 0).sum())
    assert scipy.stats.binomtest(positive, 5000).pvalue > 1e-6


def test_many_seeds_of_many_initialisers_factorise_without_library_calls():
    """Several batched LAPACK calls in one program can deadlock the CPU's thread pool."""
    shapes = [(4, 16), (16, 16), (16, 2), (4, 16), (16, 16), (16, 1)]

    def network(key):
        keys = jax.random.split(key, len(shapes))
        return [orthogonal(k, s) for k, s in zip(keys, shapes, strict=True)]

    keys = jax.random.split(jax.random.key(0), 16)
    compiled = jax.jit(jax.vmap(network)).lower(keys).compile()
    assert not LIBRARY_CALL.search(compiled.as_text())
    for weights in compiled(keys):
        assert np.isfinite(weights).all()
    reference = jax.jit(jax.vmap(lambda k: jnp.linalg.qr(jax.random.normal(k, (4, 4)))[0]))
    assert LIBRARY_CALL.search(reference.lower(keys).compile().as_text())


def test_lecun_keeps_the_variance():
    """Variance of 64000 entries within 5 standard errors."""
    weights = np.asarray(lecun_normal(jax.random.key(0), (1000, 64)))
    np.testing.assert_allclose(weights.var() * 1000, 1.0, atol=5 * np.sqrt(2 / 64_000))
