"""Acting before there is a model."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool

from upslope.core.actor import Actor
from upslope.core.annotations import Key, Memory, Observation
from upslope.core.records import Act
from upslope.policies.policy import Policy


class StartThen(Actor):
    """Acts by draws from a start policy first, and as another actor from then on.

    Attributes:
      policy: without memory.
      actor: what acts once `started`; its memory and its notes are kept from the beginning.
      started: scalar.
    """

    policy: Policy
    actor: Actor
    started: Bool[Array, ""]

    def initial_memory(self) -> Memory:
        return self.actor.initial_memory()

    def noise(self, key: Key) -> tuple[Any, Any]:
        first, then = jax.random.split(key)
        return self.policy.noise(first), self.actor.noise(then)

    def act(self, noise: tuple[Any, Any], observation: Observation, memory: Memory) -> Act:
        first = self.policy.act(noise[0], observation, ()).action
        then = self.actor.act(noise[1], observation, memory)
        chosen = jnp.where(self.started, then.action, first.astype(then.action.dtype))
        return then._replace(action=chosen)

    def greedy(self) -> Actor:
        return self.actor.greedy()
