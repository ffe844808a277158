"""The dense body."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.networks import MLP
from upslope.policies.bodies.body import Body, check_categories, read
from upslope.policies.encoding import Categories
from upslope.policies.twin.bodies import TwinMLP
from upslope.policies.twin.encoding import TwinEncoding, arrays_of


class MLPBody(Body):
    """A multilayer perceptron.

    Attributes:
      network: observation [I] to the outputs [O].
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.
    """

    network: MLP
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
    ) -> MLPBody:
        """Orthogonal weights; see `MLP`. The key is consumed."""
        check_categories("MLPBody", in_size, categories)
        network = MLP(key, in_size, hidden, n_outputs, activation, out_gain)
        return cls(network, categories)

    def __call__(
        self,
        observation: Observation,
        memory: Memory = (),
        extra: Float[Array, " extra"] | None = None,
    ) -> tuple[Float[Array, " n_outputs"], Memory]:
        return self.network(read(observation, self.categories, extra)), memory

    def like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> MLPBody:
        return MLPBody(self.network.alike(key, n_outputs, 1.0, n_extra_inputs), self.categories)

    def numpy(self) -> TwinMLP:
        layers = arrays_of([(layer.weight, layer.bias) for layer in self.network.layers])
        encoding = TwinEncoding(self.categories)
        return TwinMLP(encoding, layers, self.network.activation)
