"""The border of a Box action space: what is recorded is drawn, what acts is clipped."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from upslope.environments.environment import Environment


def action_clipper(environment: Environment) -> Callable[[Array], Array]:
    """A function that clips an action into the environment's bounds; the identity without bounds.

    The trajectory keeps the action as drawn, so that log-probabilities stay those of the policy.
    """
    bounds = environment.action_bounds()
    if bounds is None:
        return lambda action: action
    low, high = bounds

    def clip(action: Array) -> Array:
        least, most = (
            jnp.broadcast_to(jnp.asarray(x, action.dtype), action.shape) for x in (low, high)
        )
        return jnp.clip(action, least, most)

    return clip
