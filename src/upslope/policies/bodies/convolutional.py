"""The body that looks at images."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.networks import MLP, ConvolutionalNetwork, activate
from upslope.core.networks.linear import Linear
from upslope.policies.bodies.body import Body
from upslope.policies.encoding import without_mask
from upslope.policies.twin.convolutional import TwinConvolutional
from upslope.policies.twin.encoding import arrays_of


class ConvolutionalBody(Body):
    """A small convolutional network; extra inputs join the features of the image.

    Attributes:
      network: image [H, W, C] (or [C, H, W], C the shortest) to the outputs [O], or to features.
      merge: features and extra inputs to the outputs; None without extra inputs.

    References:
      Mnih et al. (2015).
    """

    network: ConvolutionalNetwork
    merge: MLP | None = None

    @classmethod
    def fresh(
        cls,
        key: Key,
        image_shape: tuple[int, int, int],
        n_outputs: int,
        dense_size: int = 128,
        activation: str = "relu",
        out_gain: float = 0.01,
    ) -> ConvolutionalBody:
        """Orthogonal weights; see `ConvolutionalNetwork`. The key is consumed."""
        return cls(
            ConvolutionalNetwork(key, image_shape, n_outputs, dense_size, activation, out_gain)
        )

    @property
    def shares_features(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether nothing but the image is read: the convolutions are nearly all of the work."""
        return self.merge is None

    def extract_features(self, observation: Observation) -> Float[Array, " features"]:
        (image,) = jax.tree.leaves(without_mask(observation))
        return self.network.features(image)

    def read_out(self, features: Float[Array, " features"]) -> Float[Array, " n_outputs"]:
        return self.network.output(features)

    def read_out_like(self, key: Key, n_outputs: int) -> Linear:
        return Linear.fresh(key, self.network.output.weight.shape[0], n_outputs)

    def __call__(
        self,
        observation: Observation,
        memory: Memory = (),
        extra: Float[Array, " extra"] | None = None,
    ) -> tuple[Float[Array, " n_outputs"], Memory]:
        output = self.read_out(self.extract_features(observation))
        if self.merge is None:
            return output, memory
        features = activate(self.network.activation, output)
        read = features if extra is None else jnp.concatenate([features, jnp.ravel(extra)])
        return self.merge(read), memory

    def like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> ConvolutionalBody:
        if not n_extra_inputs:
            return ConvolutionalBody(self.network.alike(key, n_outputs, 1.0))
        image_key, merge_key = jax.random.split(key)
        size = self.network.dense.weight.shape[1]
        features = self.network.alike(image_key, size, math.sqrt(2.0))
        activation = self.network.activation
        merge = MLP(merge_key, size + n_extra_inputs, (size,), n_outputs, activation, 1.0)
        return ConvolutionalBody(features, merge)

    def numpy(self) -> TwinConvolutional | None:
        net = self.network
        if self.merge is not None:
            return None
        return TwinConvolutional(
            convolutions=arrays_of([(c.weight, c.bias) for c in net.convolutions]),
            strides=tuple(int(c.stride) for c in net.convolutions),
            dense=arrays_of((net.dense.weight, net.dense.bias)),
            output=arrays_of((net.output.weight, net.output.bias)),
            channels_first=net.channels_first,
            activation=net.activation,
        )
