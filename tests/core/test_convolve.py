"""Convolutions as matrix products, against the library's own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.networks.convolve import convolve, convolve_by_products

# height, width, channels, kernel rows and columns, stride, padding
CASES = {
    "Nature's first layer": (84, 84, 4, 8, 8, 4, "VALID"),
    "Nature's second layer": (20, 20, 32, 4, 4, 2, "VALID"),
    "Nature's third layer": (9, 9, 8, 3, 3, 1, "VALID"),
    "odd sides, incomplete blocks": (23, 17, 3, 4, 4, 2, "VALID"),
    "a stride that does not divide the kernel": (13, 11, 2, 3, 3, 2, "VALID"),
    "a stride that divides one side of the kernel": (13, 12, 2, 4, 3, 2, "VALID"),
    "a stride beyond the kernel": (11, 9, 1, 2, 2, 3, "VALID"),
    "same padding": (10, 7, 2, 3, 3, 1, "SAME"),
    "same padding, strided": (11, 8, 2, 4, 4, 2, "SAME"),
    "padding by hand": (9, 9, 2, 4, 4, 2, ((1, 2), (0, 3))),
    "one pixel": (3, 3, 2, 3, 3, 1, "VALID"),
}


def library(image, weight, stride, padding):
    return jax.lax.conv_general_dilated(
        image[None], weight, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]


def inputs(case):
    height, width, channels, rows, columns, stride, padding = CASES[case]
    image_key, weight_key = jax.random.split(jax.random.key(0))
    image = jax.random.normal(image_key, (height, width, channels))
    weight = jax.random.normal(weight_key, (rows, columns, channels, 5))
    return image, weight, stride, padding


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_it_is_the_librarys_convolution(case, x64):
    image, weight, stride, padding = inputs(case)
    want, want_pull = jax.vjp(lambda x, w: library(x, w, stride, padding), image, weight)
    got, got_pull = jax.vjp(lambda x, w: convolve_by_products(x, w, stride, padding), image, weight)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)
    cotangent = jax.random.normal(jax.random.key(1), want.shape)
    for mine, theirs in zip(got_pull(cotangent), want_pull(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-10)


def test_the_cpu_gets_products_and_no_convolution():
    image, weight, stride, padding = inputs("Nature's second layer")

    def loss(weight, images):
        return jnp.sum(jax.vmap(lambda x: convolve(x, weight, stride, padding))(images) ** 2)

    program = jax.jit(jax.grad(loss)).lower(weight, image[None].repeat(3, axis=0)).as_text()
    want = jax.default_backend() != "cpu"
    assert ("stablehlo.convolution" in program) == want


def test_the_gradient_in_the_weight_is_one_product():
    """A batch of images is contracted with the pixels: no product per image is left to add up."""
    image, weight, stride, padding = inputs("Nature's second layer")

    def loss(weight, images):
        products = jax.vmap(lambda x: convolve_by_products(x, weight, stride, padding))(images)
        return jnp.sum(products * 0.5)

    program = jax.make_jaxpr(jax.grad(loss))(weight, image[None].repeat(3, axis=0))
    shapes = [
        equation.outvars[0].aval.shape
        for equation in program.jaxpr.eqns
        if equation.primitive.name == "dot_general"
    ]
    assert len(shapes) == 2
    assert all(np.prod(shape) <= 3 * 81 * 5 or np.prod(shape) == weight.size for shape in shapes)
