"""The player who moves at random."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from upslope.core.actor import Actor
from upslope.core.annotations import Key, Memory
from upslope.core.records import Act


class RandomLegal(Actor):
    """Every legal action with the same probability; it reads `observation["action_mask"]`."""

    def act(self, noise: Key, observation: dict[str, Array], memory: Memory) -> Act:
        return Act(random_true(noise, observation["action_mask"]), memory)


def random_true(key: Key, mask: Bool[Array, " A"]) -> Int[Array, ""]:
    """The index of a True entry of a mask [A], each with the same probability."""
    return jax.random.categorical(key, jnp.where(mask, 0.0, -jnp.inf))
