"""One step uphill: the optimizer, its step size and the bound on its norm."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import optax
from jax import Array

from upslope.core.tree import global_norm

T = TypeVar("T")
Optimizer = Literal["adam", "rmsprop", "sgd"]


def direction(optimizer: Optimizer) -> optax.GradientTransformation:
    """The optax transformation without its step size, so that the step size stays a number."""
    if optimizer == "adam":
        return optax.scale_by_adam(eps=1e-5)
    if optimizer == "rmsprop":
        return optax.scale_by_rms()
    return optax.identity()


def clip_by_norm(gradient: T, max_norm: float | Array | None) -> tuple[T, Array]:
    """The gradient scaled to a global norm of at most `max_norm`, and the norm it had."""
    norm = global_norm(gradient)
    if max_norm is None:
        return gradient, norm
    scale = jnp.minimum(1.0, max_norm / jnp.maximum(norm, 1e-12))
    return jax.tree.map(lambda leaf: leaf * scale, gradient), norm


def ascend(
    optimizer: Optimizer, state: Any, parameters: T, gradient: T, learning_rate: float | Array
) -> tuple[T, Any]:
    """theta + learning_rate * direction(gradient), and the optimizer's next state."""
    step, state = direction(optimizer).update(gradient, state)
    moved = jax.tree.map(lambda p, s: p + learning_rate * s, parameters, step)
    return moved, state


def remaining(steps: Array, total_timesteps: float | Array | None) -> Array:
    """The share of the budget that is left, from 1 down to 0: what linear schedules multiply by."""
    if total_timesteps is None:
        return jnp.ones(())
    return jnp.clip(1.0 - steps / total_timesteps, 0.0, 1.0)
