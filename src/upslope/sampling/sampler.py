"""The contract every sampler keeps, and the engines there are."""

from __future__ import annotations

from typing import Any, Protocol

from jax import Array

from upslope.core.records import EpisodeStatistics
from upslope.policies.actor import Actor


class Sampler(Protocol):
    """What tries actors in an environment: the only seam between a search and its environment.

    An engine is a sampler with a name: JAX environments inside the compiled program, simulators
    in this process and its workers, or a cluster. Whatever it is, the same keys and actors give the
    same experience.
    """

    @property
    def statistics(self) -> EpisodeStatistics:
        """Of the last call: episodes that ended, steps taken, the first NaN."""
        ...

    def sample(self, key: Array, actors: Actor) -> tuple[Any, Sampler]:
        """Tries the actors and returns what the search method asked for, and the sampler after."""
        ...
