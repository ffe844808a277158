"""Where episodes began, read from steps that follow each other."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Int

from upslope.core.annotations import Key, Observation
from upslope.core.records import Trajectories, Transitions


class Starts(NamedTuple):
    """The last K observations with which an episode began."""

    rows: Observation  # [K, ...], a ring
    count: Int[Array, ""]  # starts seen so far
    awaited: Bool[Array, ""]  # whether the next step of the first stream begins an episode

    @classmethod
    def none(cls, like: Observation, n_kept: int) -> Starts:
        """Nothing seen of observations of this shape (or of these shapes)."""
        rows = jax.tree.map(lambda leaf: jnp.zeros((n_kept, *leaf.shape), leaf.dtype), like)
        return cls(rows, jnp.zeros((), int), jnp.ones((), bool))

    @classmethod
    def of_rows(cls, data: Transitions, n_kept: int) -> Starts:
        """Of a data set of vectors, in NumPy: all that fit, or as many drawn from them."""
        began = np.flatnonzero(rows_that_start(data))
        kept = np.random.default_rng(0).permutation(began)[:n_kept]
        first = np.asarray(data.observation)[kept]
        rows = np.zeros((n_kept, *first.shape[1:]))
        rows[: len(kept)] = first
        count = jnp.asarray(len(kept), int)
        return cls(jnp.asarray(rows, float), count, jnp.ones((), bool))

    def draw(self, key: Key) -> Observation:
        """One of those that are kept, each with the same probability. The key is consumed."""
        kept = jnp.minimum(self.count, jax.tree.leaves(self.rows)[0].shape[0])
        index = jax.random.randint(key, (), 0, jnp.maximum(kept, 1))
        return jax.tree.map(lambda leaf: leaf[index], self.rows)

    def seen(self, fresh: Trajectories) -> Starts:
        """With those of new steps [T, N, ...]."""
        began, awaited = episode_starts(fresh, self.awaited, self.count == 0)
        size = jax.tree.leaves(self.rows)[0].shape[0]
        flat = began.reshape(-1)
        order = self.count + jnp.cumsum(flat) - 1
        slot = jnp.where(flat, order % size, size)  # a slot beyond the last is no slot

        def put(rows: Array, observed: Array) -> Array:
            observed = observed.reshape(-1, *rows.shape[1:]).astype(rows.dtype)
            return rows.at[slot].set(observed, mode="drop")

        rows = jax.tree.map(put, self.rows, fresh.observation)
        return Starts(rows, self.count + jnp.sum(flat), awaited)


def episode_starts(
    fresh: Trajectories, awaited: Bool[Array, ""], first: Bool[Array, ""]
) -> tuple[Bool[Array, "T N"], Bool[Array, ""]]:
    """Which of the steps of streams begin an episode, as far as it can be seen.

    Of the first step of a batch it is known for the first stream alone, whose end is remembered.

    Args:
      fresh: steps [T, N, ...].
      awaited: whether the first stream's next step begins an episode.
      first: whether these are the first steps of all streams.

    Returns:
      booleans [T, N]; and `awaited` of the next batch.
    """
    ended = (fresh.terminated | fresh.truncated) & fresh.valid
    n_steps, n_streams = ended.shape
    top = first | (awaited & (jnp.arange(n_streams) == 0))
    began = jnp.concatenate([top[None], ended[:-1]]) & fresh.valid
    last = jnp.max(jnp.where(fresh.valid[:, 0], jnp.arange(n_steps), -1))
    return began, jnp.where(last < 0, awaited, ended[jnp.maximum(last, 0), 0])


def rows_that_start(data: Transitions) -> np.ndarray:
    """Which rows [N] of a data set in the order of time begin an episode.

    A row continues the one before it where it begins in the observation that one ended in. In a
    data set that was shuffled nearly every row counts as a beginning.
    """
    observation, following = np.asarray(data.observation), np.asarray(data.next_observation)
    ended = np.asarray(data.terminated) | np.asarray(data.truncated)
    n_rows = observation.shape[0]
    same = np.all((observation[1:] == following[:-1]).reshape(n_rows - 1, -1), axis=1)
    return np.concatenate([[True], ended[:-1] | ~same])
