"""The linear body."""

from __future__ import annotations

import equinox as eqx
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.networks import Linear
from upslope.policies.bodies.body import Body, check_categories, read
from upslope.policies.encoding import Categories
from upslope.policies.twin.bodies import TwinMLP
from upslope.policies.twin.encoding import TwinEncoding, arrays_of


class LinearBody(Body):
    """One affine map of the observation, zero at first.

    Attributes:
      layer: W [I, O] and b [O].
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.

    References:
      Mania, Guy and Recht (2018), for how far linear policies go.
    """

    layer: Linear
    categories: Categories = eqx.field(static=True, default=())

    @classmethod
    def fresh(
        cls, key: Key, in_size: int, n_outputs: int, categories: Categories = ()
    ) -> LinearBody:
        """All zeros. The key is consumed."""
        check_categories("LinearBody", in_size, categories)
        return cls(Linear.fresh(key, in_size, n_outputs, 0.0), categories)

    @property
    def weight(self) -> Float[Array, "n_inputs n_outputs"]:
        """W [I, O]."""
        return self.layer.weight

    def __call__(
        self,
        observation: Observation,
        memory: Memory = (),
        extra: Float[Array, " extra"] | None = None,
    ) -> tuple[Float[Array, " n_outputs"], Memory]:
        return self.layer(read(observation, self.categories, extra)), memory

    def like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> LinearBody:
        """Its weights are random: only policies begin with outputs of zero, critics do not."""
        in_size = self.layer.weight.shape[0] + n_extra_inputs
        return LinearBody(Linear.fresh(key, in_size, n_outputs, 1.0), self.categories)

    def numpy(self) -> TwinMLP:
        layers = arrays_of([(self.layer.weight, self.layer.bias)])
        return TwinMLP(TwinEncoding(self.categories), layers, "identity")
