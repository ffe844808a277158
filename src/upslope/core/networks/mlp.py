"""The multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence

import equinox as eqx
from jax import Array

from upslope.core.networks.activations import activate, check_activation
from upslope.core.networks.linear import Linear, fresh_layers


class MLP(eqx.Module):
    """Affine layers with an activation between them; without hidden layers it is one affine layer.

    Hidden weights are orthogonal with gain sqrt(2), the last ones with `out_gain`; biases are zero.

    Attributes:
      layers: hidden layers, then the output layer.
      activation: its name. Static.

    References:
      Engstrom et al. (2020) for the initialisation.
    """

    layers: tuple[Linear, ...]
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        key: Array,
        in_size: int,
        hidden: Sequence[int] = (64, 64),
        out_size: int = 1,
        activation: str = "tanh",
        out_gain: float = 1.0,
    ):
        check_activation(activation)
        sizes = (in_size, *hidden, out_size)
        gains = (math.sqrt(2.0),) * len(hidden) + (out_gain,)
        self.layers = fresh_layers(key, sizes, gains)
        self.activation = activation

    def alike(
        self, key: Array, out_size: int, out_gain: float = 1.0, n_extra_inputs: int = 0
    ) -> MLP:
        """A fresh network with the same hidden layers and activation, and inputs beside its own."""
        in_size = self.layers[0].weight.shape[0] + n_extra_inputs
        hidden = [layer.weight.shape[1] for layer in self.layers[:-1]]
        return MLP(key, in_size, hidden, out_size, self.activation, out_gain)

    def __call__(self, x: Array) -> Array:
        """[I] to [O]."""
        *hidden, last = self.layers
        for layer in hidden:
            x = activate(self.activation, layer(x))
        return last(x)
