"""One affine layer."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_number
from upslope.core.initializers import orthogonal


class Linear(eqx.Module):
    """x W + b.

    Attributes:
      weight: W [I, O]; orthogonal, scaled by a gain, at first (zero for gain 0).
      bias: b [O], zero at first; None for a layer without one.
    """

    weight: Array
    bias: Array | None

    def __init__(
        self, key: Array, in_size: int, out_size: int, gain: float = 1.0, bias: bool = True
    ):
        check_number("Linear", "in_size", in_size, at_least=1, integer=True)
        check_number("Linear", "out_size", out_size, at_least=1, integer=True)
        shape = (in_size, out_size)
        self.weight = orthogonal(key, shape, gain) if gain else jnp.zeros(shape)
        self.bias = jnp.zeros(out_size) if bias else None

    def __call__(self, x: Array) -> Array:
        """[I] to [O]."""
        out = x @ self.weight
        return out if self.bias is None else out + self.bias
