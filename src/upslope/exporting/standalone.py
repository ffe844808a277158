"""What an exported Python file needs beside the NumPy policy: spaces, and `predict`.

Imports NumPy and `policies.twin` alone, as those modules do: `standalone_source` writes all of it
into one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from upslope.policies.twin.actor import TwinActor
from upslope.policies.twin.encoding import Memory, Observation, map_arrays

Read = tuple[Any, int, bool]


@dataclass(frozen=True, eq=False)
class ArrayReader:
    """Observations that are arrays."""

    shape: tuple[int, ...]
    floats: bool
    start: np.ndarray | None = None

    def __call__(self, observation: Observation) -> Read:
        """The batch [N, ...], N, and whether it was one observation."""
        x = np.asarray(observation)
        single = x.shape == self.shape
        if not single and (x.ndim == 0 or x.shape[1:] != self.shape):
            raise ValueError(
                f"an observation of shape {x.shape}; the policy reads {self.shape}, or a batch "
                f"[B, ...] of them"
            )
        x = x[None] if single else x
        if x.dtype.kind == "f" or (self.floats and x.dtype.kind in "iu"):
            x = x.astype(np.float32, copy=False)
        elif self.start is not None:
            x = x - self.start
        return x, len(x), single


@dataclass(frozen=True, eq=False)
class TreeReader:
    """Observations that are dictionaries or tuples."""

    parts: Mapping[str, Any]
    is_tuple: bool

    def __call__(self, observation: Observation) -> Read:
        """The batch [N, ...], N, and whether it was one observation."""
        given = dict(enumerate(observation)) if self.is_tuple else dict(observation)
        given = {str(name): part for name, part in given.items()}
        given = {k: x for k, x in given.items() if k in self.parts or not isinstance(x, str)}
        if given.keys() != self.parts.keys():
            raise ValueError(
                f"an observation with the parts {sorted(given)}; the policy reads "
                f"{sorted(self.parts)}"
            )
        read = {name: reader(given[name]) for name, reader in self.parts.items()}
        sizes = {(n, single) for _, n, single in read.values()}
        if len(sizes) != 1:
            raise ValueError("an observation of which some parts are one and some a batch")
        ((n, single),) = sizes
        batch = {name: x for name, (x, _, _) in read.items()}
        return (tuple(batch.values()) if self.is_tuple else batch), n, single


@dataclass(frozen=True, eq=False)
class StandalonePolicy:
    """A policy with its spaces, in NumPy."""

    actor: TwinActor
    reader: ArrayReader | TreeReader
    low: np.ndarray | None
    high: np.ndarray | None
    start: np.ndarray | None
    dtype: str

    def predict(
        self,
        observation: Observation,
        state: Memory | None,
        episode_start: ArrayLike | None,
        generator: np.random.Generator | None,
    ) -> tuple[np.ndarray, Memory | None]:
        """Actions for one observation or a batch of them, and the next state.

        Args:
          observation: of the observation space, or a batch [B, ...].
          state: what the last call returned; None at the start, and without memory.
          episode_start: booleans [B]: which episodes begin here; None for none of them.
          generator: the source of draws; None for the mode.
        """
        batch, n, single = self.reader(observation)
        memory = self.actor.initial_memory(n)
        if state is not None and episode_start is None:
            memory = state
        elif state is not None:
            begins = np.broadcast_to(np.asarray(episode_start, bool).reshape(-1), n)
            memory = map_arrays(
                lambda new, old: np.where(begins.reshape(n, *(1,) * (new.ndim - 1)), new, old),
                memory,
                state,
            )
        action, memory = self.actor.act_batch(batch, memory, generator)
        if self.low is not None and self.high is not None:
            action = np.minimum(np.maximum(action, self.low), self.high)
        action = action.astype(self.dtype, copy=False)
        if self.start is not None:
            action = action + self.start
        return (action[0] if single else action), (memory if self.actor.has_memory else None)
