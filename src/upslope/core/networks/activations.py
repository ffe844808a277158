"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import unknown_name

ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "elu": jax.nn.elu,
    "silu": jax.nn.silu,
    "identity": lambda x: x,
}


def check_activation(name: str) -> None:
    """Raises UpslopeError unless `name` is an activation."""
    if name not in ACTIVATIONS:
        raise unknown_name("activation", str(name), ACTIVATIONS)


def activate(name: str, x: Array) -> Array:
    """The activation called `name`, componentwise."""
    return ACTIVATIONS[name](x)
