"""When a Gaussian is too narrow for the numbers that its mean is made of."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

CONVERGED = (
    "noeffectcoord: a fifth of a standard deviation does not change some parameter; numbers go no "
    "further"
)


def no_effect(mean: Array, std: Array) -> Array:
    """Whether some parameter cannot move any more: beyond this its noise is rounding alone.

    Args:
      mean: [D].
      std: [D], or a scalar.
    """
    smallest = jnp.finfo(mean.dtype).tiny / jnp.finfo(mean.dtype).eps
    return jnp.any((mean + 0.2 * std == mean) | (std < smallest))
