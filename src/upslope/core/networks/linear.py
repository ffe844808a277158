"""One affine layer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.checks import check_number
from upslope.core.initializers import orthogonal_layers


class Linear(eqx.Module):
    """x W + b.

    Attributes:
      weight: W.
      bias: b; None for a layer without one.
    """

    weight: Float[Array, "I O"]
    bias: Float[Array, " O"] | None

    @classmethod
    def fresh(cls, key: Array, in_size: int, out_size: int, gain: float = 1.0) -> Linear:
        """An orthogonal weight scaled by `gain` (zero for gain 0), and zero bias."""
        return fresh_layers(key, (in_size, out_size), (gain,))[0]

    def __call__(self, x: Float[Array, " I"]) -> Float[Array, " O"]:
        """The image of one vector."""
        out = x @ self.weight
        return out if self.bias is None else out + self.bias


def fresh_layers(key: Array, sizes: Sequence[int], gains: Sequence[float]) -> tuple[Linear, ...]:
    """Layers from each size to the next, each as `Linear.fresh` makes it.

    Raises:
      UpslopeError: for a size that is not a whole number of at least 1.
    """
    for k, size in enumerate(sizes):
        name = "in_size" if k == 0 else "out_size" if k == len(sizes) - 1 else "hidden size"
        check_number("A dense layer", name, size, at_least=1, integer=True)
    shapes = list(itertools.pairwise(sizes))
    random = [k for k, gain in enumerate(gains) if gain]
    weights = [jnp.zeros(shape) for shape in shapes]
    if random:
        drawn = orthogonal_layers(key, [shapes[k] for k in random], [gains[k] for k in random])
        for k, weight in zip(random, drawn, strict=True):
            weights[k] = weight
    return tuple(Linear(weight, jnp.zeros(weight.shape[1])) for weight in weights)
