"""What goes with a step uphill: the bound on its norm, the schedule of its size."""

from __future__ import annotations

from typing import Literal, Protocol

import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_choice

Schedule = Literal["constant", "linear"]
SCHEDULES = ("constant", "linear")


def clip_by_norm(gradient: Array, max_norm: float | Array | None) -> tuple[Array, Array]:
    """The gradient [D] scaled to a norm of at most `max_norm`, and the norm it had."""
    norm = jnp.sqrt(jnp.sum(jnp.square(gradient)))
    if max_norm is None:
        return gradient, norm
    scale = jnp.minimum(1.0, max_norm / jnp.maximum(norm, 1e-12))
    return gradient * scale, norm


def remaining(steps: Array, total_timesteps: float | Array | None) -> Array:
    """The share of the budget that is left, from 1 down to 0: what linear schedules multiply by."""
    if total_timesteps is None:
        return jnp.ones(())
    return jnp.clip(1.0 - steps / total_timesteps, 0.0, 1.0)


def scheduled(
    number: float | Array, schedule: str, steps: Array, total_timesteps: float | Array | None
) -> Array:
    """A number as its schedule has it after some steps: as it is, or falling to zero linearly.

    Args:
      number: at the beginning.
      schedule: `"constant"` or `"linear"`.
      steps: taken so far.
      total_timesteps: after which `"linear"` has reached zero.
    """
    number = jnp.asarray(number, float)
    return number * remaining(steps, total_timesteps) if schedule == "linear" else number


class Scheduled(Protocol):
    """A method whose schedules last as long as its budget."""

    @property
    def total_timesteps(self) -> float | Array | None:
        """Environment steps after which a schedule ends; None where nobody knows."""
        ...


def check_schedule(method: Scheduled, name: str) -> None:
    """Refuses an unknown schedule, or one that falls for as long as nobody knows.

    Args:
      method: has the schedule as its field `name`.
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
