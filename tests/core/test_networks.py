"""Networks: shapes, leaves, initial scale, and what they compute."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.core.networks import MLP, ConvolutionalNetwork, GRUCell, Linear

KEY = jax.random.key(0)


def test_mlp_computes_what_numpy_does():
    net = MLP(KEY, 3, (4, 5), 2, "tanh", 0.5)
    x = np.array([0.1, -2.0, 0.7], np.float32)
    h = x
    for layer in net.layers[:-1]:
        h = np.tanh(h @ np.asarray(layer.weight) + np.asarray(layer.bias))
    expected = h @ np.asarray(net.layers[-1].weight) + np.asarray(net.layers[-1].bias)
    np.testing.assert_allclose(net(jnp.array(x)), expected, rtol=1e-5, atol=1e-6)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(net))
    out = np.asarray(net.layers[-1].weight)
    np.testing.assert_allclose(out.T @ out, 0.25 * np.eye(2), atol=1e-6)


def test_mlp_alike_has_the_same_sizes():
    net = MLP(KEY, 3, (4, 5), 2, "relu").alike(KEY, 1)
    assert [layer.weight.shape for layer in net.layers] == [(3, 4), (4, 5), (5, 1)]
    assert net.activation == "relu"


def test_bad_settings_are_named():
    with pytest.raises(UpslopeError, match="tanh"):
        MLP(KEY, 3, (4,), 2, "tahn")
    with pytest.raises(UpslopeError, match="in_size"):
        Linear.fresh(KEY, 0, 2)
    with pytest.raises(UpslopeError, match="hidden size"):
        MLP(KEY, 3, (0,), 2)


def test_gru_computes_its_equations():
    cell = GRUCell(KEY, 3, 4)
    cell = jax.tree.map(lambda leaf: leaf + 0.1, cell)  # biases that matter
    x, h = np.array([0.3, -1.0, 2.0]), np.array([0.5, -0.5, 0.1, 0.0])
    W, U, b, c = (np.asarray(leaf, float) for leaf in jax.tree.leaves(cell))
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    seen, kept = x @ W + b, h @ U
    r, z = sigmoid(seen[:4] + kept[:4]), sigmoid(seen[4:8] + kept[4:8])
    n = np.tanh(seen[8:] + r * (kept[8:] + c))
    np.testing.assert_allclose(
        cell(jnp.array(x, "f"), jnp.array(h, "f")), (1 - z) * n + z * h, atol=1e-5
    )


def test_gru_blocks_are_orthogonal():
    weight = np.asarray(GRUCell(KEY, 3, 8).memory_weight)
    for block in np.split(weight, 3, axis=1):
        np.testing.assert_allclose(block.T @ block, np.eye(8), atol=1e-5)


@pytest.mark.parametrize(
    "shape",
    [(5, 5, 1), (8, 8, 3), (10, 10, 4), (16, 20, 2), (84, 84, 4), (4, 84, 84), (210, 160, 3)],
)
def test_images_of_all_sizes(shape):
    def both(key, image):
        net = ConvolutionalNetwork(key, shape, 6)
        return net(image), net.alike(key, 1)(image.astype(jnp.float32))

    outputs = jax.eval_shape(both, KEY, jax.ShapeDtypeStruct(shape, jnp.uint8))
    assert [out.shape for out in outputs] == [(6,), (1,)]


def test_bytes_are_scaled_and_channels_may_come_first():
    @jax.jit
    def three_ways(image):
        last = ConvolutionalNetwork(KEY, (8, 8, 2), 3)
        first = ConvolutionalNetwork(KEY, (2, 8, 8), 3)
        return (
            last(image),
            last(image.astype(jnp.float32) / 255),
            first(jnp.moveaxis(image, -1, 0)),
        )

    image = jax.random.randint(KEY, (8, 8, 2), 0, 256).astype(jnp.uint8)
    of_bytes, of_floats, channels_first = three_ways(image)
    assert np.ptp(of_floats) > 0
    np.testing.assert_allclose(of_bytes, of_floats, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(channels_first, of_floats, rtol=1e-4, atol=1e-5)


def test_images_too_small_are_refused():
    with pytest.raises(UpslopeError, match="5 pixels"):
        ConvolutionalNetwork(KEY, (4, 4, 3), 2)
    with pytest.raises(UpslopeError, match=r"\[H, W, C\]"):
        ConvolutionalNetwork(KEY, (8, 8), 2)
