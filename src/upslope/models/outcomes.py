"""Rewards and ends that are known: functions of the user's own, in the place of learnt ones."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.annotations import Action, Observation

# r(o, a, o'), a number; and whether the step terminates, a boolean. Unbatched, in jax.numpy.
RewardFunction = Callable[[Observation, Action, Observation], Array]
TerminationFunction = Callable[[Observation, Action, Observation], Array]


class NeverTerminates(eqx.Module):
    """The `termination` of environments without an end."""

    def __call__(
        self, observation: Observation, action: Action, next_observation: Observation
    ) -> Bool[Array, ""]:
        """False."""
        return jnp.zeros((), bool)


def known_reward(
    function: RewardFunction, observation: Array, action: Array, next_observation: Array
) -> Float[Array, ""]:
    """The reward of one step as a float scalar."""
    found = jnp.asarray(function(observation, action, next_observation))
    return found.reshape(()).astype(jnp.zeros(()).dtype)


def known_end(
    function: TerminationFunction, observation: Array, action: Array, next_observation: Array
) -> Bool[Array, ""]:
    """Whether one step terminates, a boolean scalar."""
    return jnp.asarray(function(observation, action, next_observation)).reshape(()).astype(bool)
