"""Policies that look at images."""

from __future__ import annotations

from typing import Any

from jax import Array

from upslope.core.distributions.distribution import Distribution
from upslope.core.networks import ConvolutionalNetwork
from upslope.policies.heads import GaussianHead, Head, SoftmaxHead
from upslope.policies.policy import Policy, ValueFunction


class ConvolutionalPolicy(Policy):
    """A small convolutional network whose outputs a head turns into a distribution.

    Attributes:
      network: image [H, W, C] (or [C, H, W], C the shortest) to the head's outputs.
      head: outputs to the distribution.

    References:
      Mnih et al. (2015).
    """

    network: ConvolutionalNetwork
    head: Head

    def __init__(
        self,
        key: Array,
        image_shape: tuple[int, int, int],
        head: Head,
        dense_size: int = 128,
        activation: str = "relu",
        out_gain: float = 0.01,
    ):
        self.network = ConvolutionalNetwork(
            key, image_shape, head.n_outputs, dense_size, activation, out_gain
        )
        self.head = head

    def __call__(self, observation: Array, memory: Any = None) -> Distribution:
        return self.head(self.network(observation))

    def value_function(self, key: Array) -> ConvolutionalValue:
        return ConvolutionalValue(self.network.alike(key, 1, 1.0))


class ConvolutionalSoftmax(ConvolutionalPolicy):
    """A softmax over preferences seen in an image."""

    def __init__(
        self,
        key: Array,
        image_shape: tuple[int, int, int],
        n_actions: int,
        dense_size: int = 128,
        activation: str = "relu",
        out_gain: float = 0.01,
    ):
        head = SoftmaxHead(n_actions)
        super().__init__(key, image_shape, head, dense_size, activation, out_gain)


class ConvolutionalGaussian(ConvolutionalPolicy):
    """A Gaussian around a mean seen in an image."""

    def __init__(
        self,
        key: Array,
        image_shape: tuple[int, int, int],
        shape: tuple[int, ...],
        dense_size: int = 128,
        activation: str = "relu",
        out_gain: float = 0.01,
        log_std_init: float = 0.0,
        state_dependent_std: bool = False,
    ):
        head = GaussianHead(shape, log_std_init, state_dependent_std)
        super().__init__(key, image_shape, head, dense_size, activation, out_gain)


class ConvolutionalValue(ValueFunction):
    """V of an image.

    Attributes:
      network: image to one number.
    """

    network: ConvolutionalNetwork

    def __call__(self, observation: Array, memory: Any = None) -> Array:
        return self.network(observation)[0]
