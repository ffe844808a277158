"""What a dense network reads: any observation as one vector of floats."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def encode(observation: Array, categories: tuple[int, ...]) -> Array:
    """An observation as a vector of floats [I].

    Args:
      observation: numbers of any shape, or one int for each category.
      categories: sizes of the categories, each of which becomes a one-hot block; empty for numbers.
        Bytes are scaled by 1/255.
    """
    if not categories:
        scale = 255.0 if observation.dtype == jnp.uint8 else 1.0
        return observation.astype(float).ravel() / scale
    indices = observation.ravel()
    blocks = [indices[k] == jnp.arange(size) for k, size in enumerate(categories)]
    return jnp.concatenate(blocks).astype(float)
