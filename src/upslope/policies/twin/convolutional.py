"""The convolutional body in NumPy: windows of the image times a matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .bodies import ACTIVATIONS, Layer, TwinBody, affine
from .encoding import ACTION_MASK, Memory, Observation, leaves_of


@dataclass(frozen=True, eq=False)
class TwinConvolutional(TwinBody):
    """Convolutions without padding, a dense layer and the output layer, on images [N, H, W, C]."""

    convolutions: tuple[Layer, ...]  # weights [K, K, C, O]
    strides: tuple[int, ...]
    dense: Layer
    output: Layer
    channels_first: bool
    activation: str

    def __call__(self, observation: Observation, memory: Memory) -> tuple[np.ndarray, Memory]:
        if isinstance(observation, dict):
            observation = {k: v for k, v in observation.items() if k != ACTION_MASK}
        (image,) = leaves_of(observation)
        dtype = self.output[0].dtype
        scaled = not np.issubdtype(image.dtype, np.floating)
        image = image.astype(dtype)
        if scaled:
            image /= dtype.type(255.0)
        if self.channels_first:
            image = np.moveaxis(image, 1, -1)
        activation = ACTIVATIONS[self.activation]
        for layer, stride in zip(self.convolutions, self.strides, strict=True):
            image = activation(convolve(image, layer, stride))
        flat = np.ascontiguousarray(image).reshape(len(image), -1)
        return affine(self.output, activation(affine(self.dense, flat))), memory


def convolve(image: np.ndarray, layer: Layer, stride: int) -> np.ndarray:
    """[N, H, W, C] to [N, H', W', O]."""
    weight, bias = layer
    kernel, _, channels, out = weight.shape
    windows = sliding_window_view(image, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
    n, height, width = windows.shape[:3]  # [N, H', W', C, K, K]
    rows = windows.reshape(n * height * width, channels * kernel * kernel)
    flat = weight.transpose(2, 0, 1, 3).reshape(channels * kernel * kernel, out)
    return affine((flat, bias), rows).reshape(n, height, width, out)
