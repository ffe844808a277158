"""What acts in a rollout."""

from __future__ import annotations

import abc
from typing import ClassVar, Protocol

import equinox as eqx
import numpy as np

from upslope.core.annotations import Action, Key, Memory, Noise, Observation
from upslope.core.moments import Moments
from upslope.core.records import Act


class Actor(eqx.Module):
    """Chooses the action of each step, and may remember what it saw and did.

    A policy is an actor, and so is a planner that acts in a model. Everything is unbatched:
    `jax.vmap` it. The randomness of a step is split off (`noise`), so that a sampler can draw it
    for all steps at once, before the loop over time.

    Attributes:
      observes_state: whether its observations are `FullState`s, which show the state as well. A
        class attribute.
    """

    observes_state: ClassVar[bool] = False

    def initial_memory(self) -> Memory:
        """The memory at the start of an episode, a tree of arrays; `()` when there is none."""
        return ()

    def noise(self, key: Key) -> Noise:
        """The randomness of one `act`, a function of the key alone. The key is consumed."""
        return key

    @abc.abstractmethod
    def act(self, noise: Noise, observation: Observation, memory: Memory) -> Act:
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

    def numpy(self) -> NumpyActor | None:
        """The same actor without JAX, for simulators and `predict`.

        None where there is none, and for an actor that notes `extras`: a twin says its action and
        its memory alone.
        """
        return None


class NumpyActor(Protocol):
    """An actor without JAX. It draws from a NumPy generator; None in its place means the mode."""

    @property
    def has_memory(self) -> bool:
        """Whether it remembers."""
        ...

    def initial_memory(self, n: int | None = None) -> Memory:
        """The memory at the start of an episode, or memories [n, ...]; `()` without memory."""
        ...

    def act(
        self, observation: Observation, memory: Memory, generator: np.random.Generator | None
    ) -> tuple[Action, Memory]:
        """The action for one observation, and the memory after it."""
        ...

    def act_batch(
        self, observation: Observation, memory: Memory, generator: np.random.Generator | None
    ) -> tuple[Action, Memory]:
        """`act` for observations [N, ...] and memories [N, ...]."""
        ...


def observation_moments(candidate: object) -> Moments | None:
    """The moments of an actor, None for one without and for what is no actor (a point)."""
    return candidate.observation_moments if isinstance(candidate, Actor) else None
