"""The body with a memory: a gated recurrent unit between two dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.checks import UpslopeError
from upslope.core.networks import GRUCell, Linear, activate
from upslope.core.networks.activations import check_activation
from upslope.policies.bodies.body import Body, check_categories, read
from upslope.policies.encoding import Categories
from upslope.policies.twin.bodies import TwinRecurrent
from upslope.policies.twin.encoding import TwinEncoding, arrays_of


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
        key: Key,
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

    def alike(
        self, key: Key, out_size: int, out_gain: float = 1.0, n_extra_inputs: int = 0
    ) -> RecurrentNetwork:
        """A fresh network of the same sizes but for the output and extra inputs."""
        in_size, encoded = self.encoder.weight.shape
        hidden = (encoded, self.output.weight.shape[0])
        size = in_size + n_extra_inputs
        return RecurrentNetwork(key, size, hidden, out_size, self.activation, out_gain)

    def initial_memory(self) -> Float[Array, " H"]:
        """Zeros [H]."""
        return jnp.zeros(self.output.weight.shape[0], self.output.weight.dtype)

    def __call__(
        self, x: Float[Array, " I"], memory: Float[Array, " H"]
    ) -> tuple[Float[Array, " O"], Float[Array, " H"]]:
        """The output [O] and the next memory [H]."""
        memory = self.cell(activate(self.activation, self.encoder(x)), memory)
        return self.output(memory), memory


class RecurrentBody(Body):
    """A recurrent network: outputs that depend on the whole history of observations.

    Attributes:
      network: observation [I] and memory [H] to the outputs [O] and the next memory [H].
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.

    References:
      Wierstra et al. (2010), "Recurrent policy gradients".
    """

    has_memory: ClassVar[bool] = True
    network: RecurrentNetwork
    categories: Categories = eqx.field(static=True, default=())

    @classmethod
    def fresh(
        cls,
        key: Key,
        in_size: int,
        n_outputs: int,
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        categories: Categories = (),
    ) -> RecurrentBody:
        """See `RecurrentNetwork`. The key is consumed."""
        check_categories("RecurrentBody", in_size, categories)
        network = RecurrentNetwork(key, in_size, hidden, n_outputs, activation, out_gain)
        return cls(network, categories)

    def __call__(
        self,
        observation: Observation,
        memory: Memory = (),
        extra: Float[Array, " extra"] | None = None,
    ) -> tuple[Float[Array, " n_outputs"], Memory]:
        return self.network(read(observation, self.categories, extra), memory)

    def initial_memory(self) -> Float[Array, " H"]:
        return self.network.initial_memory()

    def like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> RecurrentBody:
        network = self.network.alike(key, n_outputs, 1.0, n_extra_inputs)
        return RecurrentBody(network, self.categories)

    def numpy(self) -> TwinRecurrent:
        net, cell = self.network, self.network.cell
        return TwinRecurrent(
            encoding=TwinEncoding(self.categories),
            encoder=arrays_of((net.encoder.weight, net.encoder.bias)),
            input_weight=arrays_of(cell.input_weight),
            memory_weight=arrays_of(cell.memory_weight),
            bias=arrays_of(cell.bias),
            candidate_bias=arrays_of(cell.candidate_bias),
            output=arrays_of((net.output.weight, net.output.bias)),
            activation=net.activation,
        )
