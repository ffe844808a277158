"""The player who moves at random."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

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


def uniform_index(draw: Float[Array, ""], n: int | Array) -> Int[Array, ""]:
    """An index below n by a draw from [0, 1)."""
    return jnp.minimum((draw * n).astype(int), n - 1)


def nth_true(draw: Float[Array, ""], mask: Bool[Array, " A"]) -> Int[Array, ""]:
    """The index of a True entry of a mask [A], each with the same probability.

    Args:
      draw: uniform on [0, 1).
      mask: with at least one True.
    """
    rank = running_sum(mask.astype(jnp.int32))
    wanted = uniform_index(draw, rank[-1])
    return jnp.argmax(rank > wanted)


def running_sum(values: Int[Array, " A"]) -> Int[Array, " A"]:
    """The cumulative sum, as elementwise operations that fuse with their neighbours."""
    distance, size = 1, values.shape[0]
    while distance < size:
        nothing = jnp.zeros_like(values[:distance])
        values = values + jnp.concatenate([nothing, values[: size - distance]])
        distance *= 2
    return values
