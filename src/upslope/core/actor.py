"""What acts in a rollout."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
from jax import Array

from upslope.core.moments import Moments
from upslope.core.records import Act


class Actor(eqx.Module):
    """Chooses the action of each step, and may remember what it saw and did.

    A policy is an actor, and so is a planner that acts in a model. Everything is unbatched:
    `jax.vmap` it. The randomness of a step is split off (`noise`), so that a sampler can draw it
    for all steps at once, before the loop over time.
    """

    def initial_memory(self) -> Any:
        """The memory at the start of an episode, a tree of arrays; `()` when there is none."""
        return ()

    def noise(self, key: Array) -> Any:
        """The randomness of one `act`, a function of the key alone. The key is consumed."""
        return key

    @abc.abstractmethod
    def act(self, noise: Any, observation: Any, memory: Any) -> Act:
        """The action, the memory after it, and what the method wants back of this step.

        Args:
          noise: what `noise` gave; consumed.
          observation: as the environment shows it.
          memory: from `initial_memory` or the last step's.
        """

    def greedy(self) -> Actor:
        """The actor of a deterministic evaluation: this one without exploration."""
        return self

    @property
    def observation_moments(self) -> Moments | None:
        """Running moments by which it standardises observations; None when it does not."""
        return None

    def observe(self, moments: Moments) -> Actor:
        """The same actor with the moments of new observations merged into its own."""
        return self


def observation_moments(candidate: Any) -> Moments | None:
    """The moments of an actor, None for one without and for what is no actor (a point)."""
    return candidate.observation_moments if isinstance(candidate, Actor) else None
