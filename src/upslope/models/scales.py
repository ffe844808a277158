"""Units in which networks see inputs and targets: standard deviations, where there are any."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.moments import Moments

# Inputs beyond so many standard deviations look like that many: a network knows nothing there, and
# simulations that leave the data stay finite.
CLIP = 10.0
# A spread below so many roundings of the mean is rounding.
ROUNDINGS = 16.0


class Scale(NamedTuple):
    """Mean and standard deviation of each component; 0 where it is constant up to rounding.

    A constant component says nothing: as an input it is 0 whatever its value, as a target it is
    predicted exactly. So an input that never changed (a goal), or one that hides a rounding error
    behind a large offset, cannot be blown up by a division.
    """

    mean: Float[Array, " D"]
    std: Float[Array, " D"]

    @classmethod
    def of(cls, moments: Moments) -> Scale:
        """Of everything that was seen; 1 where fewer than two samples were."""
        std = jnp.sqrt(moments.variance)
        rounding = ROUNDINGS * jnp.finfo(std.dtype).eps * jnp.abs(moments.mean)
        return cls(moments.mean, jnp.where(std > rounding, std, 0.0))

    def normalize(self, values: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """In standard deviations from the mean, within `CLIP`; 0 for constants."""
        varies = self.std > 0
        shape = (1,) * (values.ndim - 1) + self.mean.shape
        inverse = jnp.where(varies, 1.0 / jnp.where(varies, self.std, 1.0), 0.0).reshape(shape)
        return jnp.clip((values - self.mean.reshape(shape)) * inverse, -CLIP, CLIP)

    def restore(self, normal: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """In their own unit again."""
        shape = (1,) * (normal.ndim - 1) + self.mean.shape
        return normal * self.std.reshape(shape) + self.mean.reshape(shape)
