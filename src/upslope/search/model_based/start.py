"""Acting before there is a model."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.actor import Actor
from upslope.core.annotations import Key, Memory, Observation
from upslope.core.records import Act
from upslope.models.model import Model
from upslope.planning.action_sequences import Sequences, action_kind, initial_sequences


class RandomActions(Actor):
    """Actions drawn evenly, whatever is observed.

    Attributes:
      sequences: of one action: choices, or numbers with their bounds; numbers without bounds are
        standard normal.
    """

    sequences: Sequences

    @classmethod
    def of(cls, model: Model) -> RandomActions:
        """Those of a model's action space."""
        kind = action_kind("ModelBased", model)
        return cls(initial_sequences(kind, model, horizon=1, std=1.0))

    def act(self, noise: Key, observation: Observation, memory: Memory) -> Act:
        # The first of numbers without bounds is their mean; the second is drawn.
        return Act(self.sequences.draw_evenly(noise, 2)[1, 0], memory)


class StartThen(Actor):
    """Acts as one actor first, and from then on as another with random actions in between.

    Attributes:
      first: without memory.
      then: what acts once `started`; its memory and its notes are kept from the beginning.
      anything: draws the random actions.
      started: scalar.
      epsilon: share of random actions once it has started.
    """

    first: Actor
    then: Actor
    anything: RandomActions
    started: Bool[Array, ""]
    epsilon: float | Float[Array, ""]

    def initial_memory(self) -> Memory:
        return self.then.initial_memory()

    def noise(self, key: Key) -> tuple[Any, Any, Any, Array]:
        first, then, anything, explores = jax.random.split(key, 4)
        return (
            self.first.noise(first),
            self.then.noise(then),
            self.anything.noise(anything),
            jax.random.uniform(explores),
        )

    def act(
        self, noise: tuple[Any, Any, Any, Array], observation: Observation, memory: Memory
    ) -> Act:
        first = self.first.act(noise[0], observation, ()).action
        then = self.then.act(noise[1], observation, memory)
        anything = self.anything.act(noise[2], observation, ()).action
        kind = then.action.dtype
        later = jnp.where(noise[3] < self.epsilon, anything.astype(kind), then.action)
        return then._replace(action=jnp.where(self.started, later, first.astype(kind)))

    def greedy(self) -> Actor:
        return self.then.greedy()
