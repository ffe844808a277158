"""Two-dimensional convolution, as one matrix product where the backend is a CPU."""

# `optimization_barrier` and `dot_general` have no types for all that they take.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

Padding = Literal["VALID", "SAME"] | Sequence[tuple[int, int]]


def convolve(
    image: Float[Array, "H W C"],
    weight: Float[Array, "K L C O"],
    stride: int = 1,
    padding: Padding = "VALID",
) -> Float[Array, "P Q O"]:
    r"""The cross-correlation that networks call a convolution.

    .. math:: y_{pqo} = \sum_{klc} x_{sp+k,\,sq+l,\,c} \, w_{klco}

    XLA's CPU backend runs the convolutions inside a compiled loop on code without threads or
    vector instructions. There this is `convolve_by_products`; on other backends it is
    `jax.lax.conv_general_dilated`. Both agree to rounding, with their gradients.

    Args:
      image: one image. Callers vmap.
      weight: the kernels.
      stride: s, in pixels, on both axes.
      padding: as for `jax.lax.conv_general_dilated`.
    """
    if jax.default_backend() == "cpu":
        return convolve_by_products(image, weight, stride, padding)
    return jax.lax.conv_general_dilated(
        image[None], weight, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]


def convolve_by_products(
    image: Float[Array, "H W C"],
    weight: Float[Array, "K L C O"],
    stride: int = 1,
    padding: Padding = "VALID",
) -> Float[Array, "P Q O"]:
    """The same sum from patches of the image and one matrix product.

    Where the stride divides the kernel, blocks of stride x stride pixels first become channels, so
    that the patches are slices of stride 1: four for a kernel of 8 pixels and a stride of 4.

    References:
      Chellapilla et al. (2006) for the product; Shi et al. (2016) for the blocks.
    """
    image = padded(image, weight.shape[:2], stride, padding)
    height, width = image.shape[:2]
    rows, columns, _, out_channels = weight.shape
    if stride > 1 and rows % stride == 0 and columns % stride == 0:
        image = blocks_to_channels(image, stride)
        weight = kernel_of_blocks(weight, stride)
        (height, width), (rows, columns), stride = image.shape[:2], weight.shape[:2], 1
    high, wide = (height - rows) // stride + 1, (width - columns) // stride + 1
    channels = image.shape[2]
    patches = jnp.concatenate(
        [
            jax.lax.slice(
                image,
                (row, column, 0),
                (row + stride * (high - 1) + 1, column + stride * (wide - 1) + 1, channels),
                (stride, stride, 1),
            )
            for row in range(rows)
            for column in range(columns)
        ],
        axis=-1,
    )
    # Kernels as rows, and kept so by the barrier: the gradient y^T x, [O, K L C], takes half the
    # time of x^T y, into which XLA would turn it for the sake of the reshapes above.
    kernels = jax.lax.optimization_barrier(weight.reshape(-1, out_channels).T)
    product = jax.lax.dot_general(
        patches.reshape(high * wide, -1), kernels, (((1,), (1,)), ((), ()))
    )
    return product.reshape(high, wide, out_channels)


def padded(image: Array, kernel: tuple[int, ...], stride: int, padding: Padding) -> Array:
    """The image with zeros around it, such that no padding is left to do."""
    if padding == "VALID":
        return image
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(image.shape[:2], kernel, (stride, stride), padding)
    (top, bottom), (left, right) = padding
    widths = ((top, bottom), (left, right), (0, 0))
    return jnp.pad(image, widths)


def blocks_to_channels(image: Array, size: int) -> Array:
    """[H, W, C] to [H // size, W // size, size * size * C]; an incomplete block is left out."""
    high, wide, channels = image.shape[0] // size, image.shape[1] // size, image.shape[2]
    blocks = image[: high * size, : wide * size].reshape(high, size, wide, size, channels)
    return blocks.transpose(0, 2, 1, 3, 4).reshape(high, wide, size * size * channels)


def kernel_of_blocks(weight: Array, size: int) -> Array:
    """The kernel [K, L, C, O] as it reads `blocks_to_channels`, [K / size, L / size, ., O]."""
    rows, columns, channels, out_channels = weight.shape
    high, wide = rows // size, columns // size
    blocks = weight.reshape(high, size, wide, size, channels, out_channels)
    blocks = blocks.transpose(0, 2, 1, 3, 4, 5)
    return blocks.reshape(high, wide, size * size * channels, out_channels)
