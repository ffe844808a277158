"""Policies with a memory: a gated recurrent unit between two dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.core.distributions.distribution import Distribution
from upslope.core.networks import GRUCell, Linear, activate
from upslope.core.networks.activations import check_activation
from upslope.policies.encoding import encode
from upslope.policies.heads import GaussianHead, Head, SoftmaxHead
from upslope.policies.network import check_categories
from upslope.policies.policy import Policy, ValueFunction


class RecurrentNetwork(eqx.Module):
    """A dense layer, a gated recurrent unit and the output layer.

    Attributes:
      encoder: [I] to [E].
      cell: [E] and the memory [H] to the memory [H].
      output: [H] to [O].
      activation: after the encoder. Static.
    """

    encoder: Linear
    cell: GRUCell
    output: Linear
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        key: Array,
        in_size: int,
        hidden: Sequence[int],
        out_size: int,
        activation: str = "tanh",
        out_gain: float = 1.0,
    ):
        check_activation(activation)
        if len(hidden) != 2:
            raise UpslopeError(
                f"A recurrent policy got hidden={tuple(hidden)}: give two sizes, that of the dense "
                "layer and that of the memory."
            )
        keys = jax.random.split(key, 3)
        self.encoder = Linear.fresh(keys[0], in_size, hidden[0], 2**0.5)
        self.cell = GRUCell(keys[1], hidden[0], hidden[1])
        self.output = Linear.fresh(keys[2], hidden[1], out_size, out_gain)
        self.activation = activation

    def alike(self, key: Array, out_size: int, out_gain: float = 1.0) -> RecurrentNetwork:
        """A fresh network of the same sizes but for the output."""
        in_size, encoded = self.encoder.weight.shape
        hidden = (encoded, self.output.weight.shape[0])
        return RecurrentNetwork(key, in_size, hidden, out_size, self.activation, out_gain)

    def initial_memory(self) -> Array:
        """Zeros [H]."""
        return jnp.zeros(self.output.weight.shape[0], self.output.weight.dtype)

    def __call__(self, x: Array, memory: Array) -> tuple[Array, Array]:
        """The output [O] and the next memory [H]."""
        memory = self.cell(activate(self.activation, self.encoder(x)), memory)
        return self.output(memory), memory


class RecurrentPolicy(Policy):
    """A recurrent network whose outputs a head turns into a distribution.

    Attributes:
      network: observation [I] and memory [H] to the head's outputs and the next memory.
      head: outputs to the distribution.
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.

    References:
      Wierstra et al. (2010), "Recurrent policy gradients".
    """

    has_memory: ClassVar[bool] = True
    network: RecurrentNetwork
    head: Head
    categories: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        key: Array,
        in_size: int,
        head: Head,
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        categories: tuple[int, ...] = (),
    ):
        check_categories(type(self).__name__, in_size, categories)
        self.network = RecurrentNetwork(key, in_size, hidden, head.n_outputs, activation, out_gain)
        self.head = head
        self.categories = tuple(categories)

    def __call__(self, observation: Array, memory: Any = None) -> tuple[Distribution, Array]:
        output, memory = self.network(encode(observation, self.categories), memory)
        return self.head(output), memory

    def initial_memory(self) -> Array:
        return self.network.initial_memory()

    def value_function(self, key: Array) -> RecurrentValue:
        return RecurrentValue(self.network.alike(key, 1, 1.0), self.categories)


class RecurrentSoftmax(RecurrentPolicy):
    """A softmax over preferences that depend on the whole history of observations."""

    def __init__(
        self,
        key: Array,
        in_size: int,
        n_actions: int,
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        categories: tuple[int, ...] = (),
    ):
        head = SoftmaxHead(n_actions)
        super().__init__(key, in_size, head, hidden, activation, out_gain, categories)


class RecurrentGaussian(RecurrentPolicy):
    """A Gaussian whose mean depends on the whole history of observations."""

    def __init__(
        self,
        key: Array,
        in_size: int,
        shape: tuple[int, ...],
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        log_std_init: float = 0.0,
        state_dependent_std: bool = False,
        categories: tuple[int, ...] = (),
    ):
        head = GaussianHead(shape, log_std_init, state_dependent_std)
        super().__init__(key, in_size, head, hidden, activation, out_gain, categories)


class RecurrentValue(ValueFunction):
    """V of the whole history of observations, by a recurrent network with its own memory.

    Attributes:
      network: observation [I] and memory [H] to one number and the next memory.
      categories: as in `RecurrentPolicy`. Static.
    """

    has_memory: ClassVar[bool] = True
    network: RecurrentNetwork
    categories: tuple[int, ...] = eqx.field(static=True, default=())

    def __call__(self, observation: Array, memory: Any = None) -> tuple[Array, Array]:
        output, memory = self.network(encode(observation, self.categories), memory)
        return output[0], memory

    def initial_memory(self) -> Array:
        return self.network.initial_memory()
