"""The player who moves at random."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.actor import Actor
from upslope.core.annotations import Memory
from upslope.core.records import Act


class RandomLegal(Actor):
    """Every legal action with the same probability; it reads `observation["action_mask"]`."""

    def act(self, noise: Array, observation: dict[str, Array], memory: Memory) -> Act:
        return Act(random_true(noise, observation["action_mask"]), memory)


def random_true(key: Array, mask: Array) -> Array:
    """The index of a True entry of a mask [A], each with the same probability."""
    return jax.random.categorical(key, jnp.where(mask, 0.0, -jnp.inf))
