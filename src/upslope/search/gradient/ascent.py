"""One step uphill: the optimizer, its step size and the bound on its norm."""

from __future__ import annotations

from typing import Any, Literal

import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.checks import UpslopeError, check_choice

Optimizer = Literal["adam", "rmsprop", "sgd"]
OPTIMIZERS = ("adam", "rmsprop", "sgd")
Schedule = Literal["constant", "linear"]
SCHEDULES = ("constant", "linear")


def direction(optimizer: Optimizer) -> optax.GradientTransformation:
    """The optax transformation without its step size, so that the step size stays a number."""
    if optimizer == "adam":
        return optax.scale_by_adam(eps=1e-5)
    if optimizer == "rmsprop":
        return optax.scale_by_rms()
    return optax.identity()


def clip_by_norm(gradient: Array, max_norm: float | Array | None) -> tuple[Array, Array]:
    """The gradient [D] scaled to a norm of at most `max_norm`, and the norm it had."""
    norm = jnp.sqrt(jnp.sum(jnp.square(gradient)))
    if max_norm is None:
        return gradient, norm
    scale = jnp.minimum(1.0, max_norm / jnp.maximum(norm, 1e-12))
    return gradient * scale, norm


def start_ascent(optimizer: Optimizer, parameters: Any) -> Any:
    """The optimizer's first state. It holds vectors [D], not trees: a step over one long vector
    is a handful of operations, where a step over a tree is a handful for each leaf."""
    return direction(optimizer).init(ravel_pytree(parameters)[0])


def ascend(
    optimizer: Optimizer, state: Any, theta: Array, gradient: Array, learning_rate: float | Array
) -> tuple[Array, Any]:
    """theta + learning_rate * direction(gradient), and the optimizer's next state.

    Args:
      optimizer: its name.
      state: of the optimizer.
      theta: [D].
      gradient: [D].
      learning_rate: the step size.
    """
    update: Any = direction(optimizer).update
    step, state = update(gradient, state)
    return theta + learning_rate * step, state


def remaining(steps: Array, total_timesteps: float | Array | None) -> Array:
    """The share of the budget that is left, from 1 down to 0: what linear schedules multiply by."""
    if total_timesteps is None:
        return jnp.ones(())
    return jnp.clip(1.0 - steps / total_timesteps, 0.0, 1.0)


def check_schedule(method: Any, name: str) -> None:
    """Refuses an unknown schedule, or one that falls for as long as nobody knows.

    Args:
      method: has `total_timesteps`, and the schedule as `name`.
      name: of the field.

    Raises:
      UpslopeError: names the field and the remedy.
    """
    owner, schedule = type(method).__name__, getattr(method, name)
    check_choice(owner, name, schedule, SCHEDULES)
    if schedule == "linear" and method.total_timesteps is None:
        raise UpslopeError(
            f"{owner} has {name}='linear' but total_timesteps=None: say how many steps the "
            "schedule lasts."
        )
