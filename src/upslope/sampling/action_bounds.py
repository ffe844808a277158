"""The border of a Box action space: what is recorded is drawn, what acts is clipped."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.environments.environment import Environment


def action_clipper(environment: Environment) -> Callable[[Array], Array]:
    """A function that brings an action into the world's bounds (the identity where there are none).

    The trajectory keeps the action as drawn, so that log-probabilities stay those of the policy.
    """
    space = environment.action_space
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    if low is None or high is None or not (np.isfinite(low).any() or np.isfinite(high).any()):
        return lambda action: action
    low, high = np.asarray(low), np.asarray(high)

    def clip(action: Array) -> Array:
        return jnp.clip(action, low.astype(action.dtype), high.astype(action.dtype))

    return clip
