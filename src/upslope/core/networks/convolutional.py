"""A small convolutional network."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.core.initializers import orthogonal
from upslope.core.networks.activations import activate, check_activation
from upslope.core.networks.convolve import convolve
from upslope.core.networks.linear import Linear

# (kernel, stride, channels) by the shorter side of the image, the first row that is small enough.
LARGE = ((8, 4, 16), (4, 2, 32), (3, 1, 32))  # from 36 pixels
MEDIUM = ((3, 2, 16), (3, 2, 32))  # from 16 pixels
SMALL = ((3, 1, 16), (3, 1, 32))  # from 5 pixels


SHORTEST_SIDE = 5


def image_axes(shape: tuple[int, ...]) -> tuple[int, int, int, bool]:
    """Height, width, channels of an image shape, and whether the channels come first."""
    if shape[0] < min(shape[1:]):
        return shape[1], shape[2], shape[0], True
    return shape[0], shape[1], shape[2], False


class Convolution(eqx.Module):
    """One convolution without padding, [H, W, C] to [H', W', O].

    Attributes:
      weight: [K, K, C, O], orthogonal with gain sqrt(2) at first.
      bias: [O].
      stride: pixels. Static.
    """

    weight: Array
    bias: Array
    stride: int = eqx.field(static=True)

    def __init__(self, key: Array, in_channels: int, out_channels: int, kernel: int, stride: int):
        flat = orthogonal(key, (kernel * kernel * in_channels, out_channels), math.sqrt(2.0))
        self.weight = flat.reshape(kernel, kernel, in_channels, out_channels)
        self.bias = jnp.zeros(out_channels)
        self.stride = stride

    def __call__(self, image: Array) -> Array:
        out = convolve(image, self.weight, self.stride)
        return out + self.bias[None, None, :]


class ConvolutionalNetwork(eqx.Module):
    """Two or three convolutions, one dense layer and the output layer, for images from 5x5 up.

    Images of integers are scaled by 1/255; images of floats are taken as they are. The axis of the
    channels is the last, unless the first is the shortest one (frame stacks of 4 x 84 x 84).

    Attributes:
      convolutions: by the shorter side of the image: kernels 8-4-3 from 36 pixels, 3-3 below.
      dense: the layer after them.
      output: the last layer.
      shape: of an image. Static.
      channels_first: whether the images come as [C, H, W]. Static.
      activation: its name. Static.

    Raises:
      UpslopeError: for what is not an image, or one with a side below 5 pixels.

    References:
      Mnih et al. (2015), with half the channels; Young and Tian (2019) for small images.
    """

    convolutions: tuple[Convolution, ...]
    dense: Linear
    output: Linear
    shape: tuple[int, int, int] = eqx.field(static=True)
    channels_first: bool = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        key: Array,
        shape: tuple[int, int, int],
        out_size: int,
        dense_size: int = 128,
        activation: str = "relu",
        out_gain: float = 1.0,
    ):
        check_activation(activation)
        if len(shape) != 3:
            raise UpslopeError(
                f"ConvolutionalNetwork got images of shape {tuple(shape)}: it reads [H, W, C]."
            )
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        height, width, channels, self.channels_first = image_axes(self.shape)
        side = min(height, width)
        if side < SHORTEST_SIDE:
            raise UpslopeError(
                f"ConvolutionalNetwork got images of shape {tuple(shape)}: the shorter side must "
                "be at least 5 pixels. Use a dense network on the flat image instead."
            )
        rows = LARGE if side >= 36 else MEDIUM if side >= 16 else SMALL
        keys = jax.random.split(key, len(rows) + 2)
        convolutions: list[Convolution] = []
        for row_key, (kernel, stride, out_channels) in zip(keys, rows, strict=False):
            convolutions.append(Convolution(row_key, channels, out_channels, kernel, stride))
            height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
            channels = out_channels
        self.convolutions = tuple(convolutions)
        self.dense = Linear.fresh(keys[-2], height * width * channels, dense_size, math.sqrt(2.0))
        self.output = Linear.fresh(keys[-1], dense_size, out_size, out_gain)
        self.activation = activation

    def alike(self, key: Array, out_size: int, out_gain: float = 1.0) -> ConvolutionalNetwork:
        """A fresh network of the same sizes but for the output."""
        dense_size = self.dense.weight.shape[1]
        return ConvolutionalNetwork(
            key, self.shape, out_size, dense_size, self.activation, out_gain
        )

    def features(self, image: Array) -> Array:
        """The dense layer's activations [dense_size], in which the outputs are linear."""
        dtype = self.output.weight.dtype
        if not jnp.issubdtype(image.dtype, jnp.floating):
            image = image.astype(dtype) / 255.0
        image = image.astype(dtype)
        if self.channels_first:
            image = jnp.moveaxis(image, 0, -1)
        for convolution in self.convolutions:
            image = activate(self.activation, convolution(image))
        return activate(self.activation, self.dense(image.ravel()))

    def __call__(self, image: Array) -> Array:
        """An image to [O]."""
        return self.output(self.features(image))
