"""The last steps of the streams of S seeds, kept in host memory, and batches drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from upslope.core.checks import UpslopeError
from upslope.core.records import Replayed, Trajectories
from upslope.sampling.experience import Replay
from upslope.sampling.replay import UNASKED_PRIORITIES, bytes_of, refuse_beyond_memory, rows_of
from upslope.sampling.simulators.numpy_sum_tree import NumpySumTree, importance_weights

TREE_BYTES = 16  # of a sum tree, for each leaf, at least


class Rows(NamedTuple):
    """`sampling.replay.MarkedRows` with a column for each mark; leaves [S, R, N, ...]."""

    observation: Any
    action: Any
    reward: Any
    terminated: Any
    truncated: Any
    valid: Any  # whether the row is a step
    extras: Any
    discount: Any | None


class NumpyReplay:
    """A ring of R rows per stream in NumPy; what it keeps and draws is that of `sampling.replay`.

    Row i of a stream, counted from its first one, is in slot i mod R; the observation after a step
    is in the next slot. Where an episode ends, the row after it holds the episode's last
    observation and no step. Everything stays in the type it arrives in, bytes among them, and is
    changed in place; only what is drawn is copied.

    Args:
      spec: sizes, and how windows are drawn.
      n_seeds: S.

    Attributes:
      rows: leaves [S, R, N, ...]; None until steps are added.
      written: [S, N] int64: rows written so far, per stream.
      tree: of priorities over slots x streams, where drawing is prioritised.
      largest: [S], the largest priority (to the power alpha) there has been.
    """

    def __init__(self, spec: Replay, n_seeds: int):
        self.spec = spec
        self._size, self._n_envs = rows_of(spec), spec.fresh.n_envs
        self.rows: Rows | None = None
        self.written = np.zeros((n_seeds, self._n_envs), np.int64)
        leaves = self._size * self._n_envs
        refuse_beyond_memory(spec, n_seeds * leaves * TREE_BYTES if spec.prioritized else 0)
        self.tree = NumpySumTree(n_seeds, leaves) if spec.prioritized else None
        self.largest = np.ones(n_seeds)
        self._stored: dict[str, np.ndarray] = {}  # rows that were loaded, before there are shapes

    @property
    def nbytes(self) -> int:
        """Memory of the rows and priorities of all seeds; 0 until steps are added."""
        if self.rows is None:
            return 0
        tree = 0 if self.tree is None else self.tree.leaves().nbytes
        return bytes_of(self.rows) + tree

    def add(self, steps: Trajectories) -> None:
        """Adds steps [S, T, N, ...], one after the other; padding is left out."""
        if self.rows is None:
            self.rows = self._blank(steps)
            for name, leaf in zip(self._stored, jax.tree.leaves(self.rows), strict=False):
                leaf[:, : self._stored[name].shape[1]] = self._stored[name]
            self._stored = {}
        if steps.restarted is not None:
            self._abandon(self.rows, np.asarray(steps.restarted))
        names = [name for name in Rows._fields if name != "observation"]
        valid = np.asarray(steps.valid)
        ended = (np.asarray(steps.terminated) | np.asarray(steps.truncated)) & valid
        for time in range(valid.shape[1]):
            seed, stream = np.nonzero(valid[:, time])
            at = self.written[seed, stream]
            here, following = at % self._size, (at + 1) % self._size

            def put(
                columns: Any,
                slot: np.ndarray,
                values: Any,
                seed: np.ndarray = seed,
                stream: np.ndarray = stream,
                time: int = time,
            ) -> None:
                pairs = zip(jax.tree.leaves(columns), jax.tree.leaves(values), strict=True)
                for column, value in pairs:
                    column[seed, slot, stream] = np.asarray(value)[seed, time, stream]

            put(self.rows.observation, here, steps.observation)
            put(self.rows.observation, following, steps.next_observation)
            for name in names:
                put(getattr(self.rows, name), here, getattr(steps, name))
            # After an end the next row is no step; else the next step writes it anew.
            self.rows.valid[seed, following, stream] = False  # pyright: ignore[reportIndexIssue]
            before = self.written.copy()
            self.written += valid[:, time].astype(np.int64) + ended[:, time]
            if self.tree is not None:
                self._admit(self.tree, self.rows, before)

    def draw(self, generators: list[np.random.Generator], fresh: Trajectories) -> Replayed:
        """Batches of windows of the steps that are kept, leaves [S, ...].

        While no stream of a seed holds a whole window, nothing is drawn for it: `valid` and
        `weights` are zero everywhere.

        Args:
          generators: of the draws, one per seed.
          fresh: handed on.
        """
        assert self.rows is not None
        rows, spec, size, n_envs = self.rows, self.spec, self._size, self._n_envs
        length, shape = spec.sequence_length, (spec.n_batches, spec.batch_size)
        oldest = np.maximum(self.written - (size - 1), 0)
        starts = np.maximum(self.written - oldest - length + 1, 0)  # rows that may be a start
        if self.tree is not None:
            leaf = self.tree.draw(np.stack([g.random(shape) for g in generators]))
            seeds = np.arange(len(leaf))[:, None, None]
            total = self.tree.total[:, None, None]
            ready = total[:, 0, 0] > 0
            share = self.tree.priority(seeds, leaf) / np.where(total > 0, total, 1.0)
            weights = importance_weights(share, spec.importance_exponent)
        else:
            ready = starts.sum(axis=1) > 0
            leaf = np.zeros((len(starts), *shape), np.int64)
            for seed in np.flatnonzero(ready):
                leaf[seed] = self._uniform_starts(
                    generators[seed], rows.valid[seed], oldest[seed], starts[seed]
                )
            weights = np.broadcast_to(ready[:, None, None], leaf.shape).astype(np.float32)

        # [S, B, L, M]: the rows of each window, and those after them.
        offsets = np.arange(length)[None, None, :, None]
        slots = ((leaf // n_envs)[:, :, None] + offsets) % size
        streams = np.broadcast_to((leaf % n_envs)[:, :, None], slots.shape)
        seeds = np.arange(len(leaf))[:, None, None, None]
        seen = slots[:, :, : spec.observed_steps]
        after = (seen + 1) % size

        def take(tree: Any, slots: np.ndarray) -> Any:
            columns = streams[:, :, : slots.shape[2]]
            return jax.tree.map(lambda column: column[seeds, slots, columns], tree)

        ended = take(rows.terminated, slots) | take(rows.truncated, slots)
        earlier = np.cumsum(ended, axis=2) - ended  # ends before each step of the window
        valid = take(rows.valid, slots) & (earlier == 0) & ready[:, None, None, None]
        batches = Trajectories(
            observation=take(rows.observation, seen),
            action=take(rows.action, slots),
            reward=take(rows.reward, slots),
            next_observation=take(rows.observation, after),
            terminated=take(rows.terminated, slots) & valid,
            truncated=take(rows.truncated, slots) & valid,
            valid=valid,
            extras=take(rows.extras, slots),
            discount=None if rows.discount is None else take(rows.discount, slots),
        )
        filled: Any = np.minimum(self.written, size - 1).sum(axis=1).astype(np.int32)
        indices: Any = leaf.astype(np.int32)
        return Replayed(fresh, batches, indices, weights, filled)  # pyright: ignore[reportArgumentType]

    def set_priorities(self, drawn: Replayed, priorities: Any, seeds: np.ndarray) -> None:
        """Sets priorities p_i >= 0 [S, B, M] of the windows that were drawn, for some seeds [S]."""
        if self.tree is None:
            raise UpslopeError(UNASKED_PRIORITIES)
        weights = np.asarray(drawn.weights)
        known = np.nonzero((weights > 0) & np.asarray(seeds)[:, None, None])
        powers = np.asarray(priorities, float)[known] ** self.spec.priority_exponent
        self.tree.update(known[0], np.asarray(drawn.indices)[known].astype(np.int64), powers)
        np.maximum.at(self.largest, known[0], powers)

    def state(self) -> dict[str, np.ndarray]:
        """All of it as arrays by name; rows that were never written are left out."""
        state = {"written": self.written.copy(), "largest": self.largest.copy(), **self._stored}
        for index, leaf in enumerate(jax.tree.leaves(self.rows)):
            state[f"row.{index}"] = leaf[:, : self._used()].copy()
        if self.tree is not None:
            state["priorities"] = self.tree.leaves().copy()
        return state

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Becomes the ring whose `state` this was; an empty one for an empty state."""
        self.rows = None
        count = sum(name.startswith("row.") for name in state)
        self._stored = {f"row.{index}": state[f"row.{index}"] for index in range(count)}
        nothing = np.zeros_like(self.written), np.ones_like(self.largest)
        self.written = np.array(state.get("written", nothing[0]))
        self.largest = np.array(state.get("largest", nothing[1]))
        if self.tree is not None:
            self.tree.load(state.get("priorities", np.zeros_like(self.tree.leaves())))

    def _used(self) -> int:
        """How many slots have been written in some stream, the observation after it included."""
        return int(min(self.written.max() + 1, self._size))

    def _blank(self, steps: Trajectories) -> Rows:
        def blank(leaf: Any) -> np.ndarray:
            return np.zeros((leaf.shape[0], self._size, *leaf.shape[2:]), leaf.dtype)

        shapes = [getattr(steps, name) for name in Rows._fields]
        rows = bytes_of(shapes) // steps.reward.shape[1] * self._size
        refuse_beyond_memory(self.spec, rows)
        columns: list[Any] = [jax.tree.map(blank, getattr(steps, name)) for name in Rows._fields]
        return Rows(*columns)

    def _abandon(self, rows: Any, restarted: np.ndarray) -> None:
        """Ends the episodes of streams that begin anew: their last step is a truncated one."""
        seed, stream = np.nonzero(restarted & (self.written > 0))
        last = (self.written[seed, stream] - 1) % self._size
        over = rows.valid[seed, last, stream]
        seed, stream, last = seed[over], stream[over], last[over]
        rows.truncated[seed, last, stream] = True
        before = self.written.copy()
        self.written[seed, stream] += 1
        if self.tree is not None:
            self._admit(self.tree, rows, before)

    def _admit(self, tree: NumpySumTree, rows: Any, before: np.ndarray) -> None:
        """Gives windows that have become whole the largest priority, what is overwritten none."""
        size, n_envs, length = self._size, self._n_envs, self.spec.sequence_length
        # At most two rows have been added: a step, and what follows an end.
        for offset in (1, 0):
            at = self.written - offset
            seed, stream = np.nonzero(at >= before)
            leaf = (at[seed, stream] % size) * n_envs + stream
            tree.update(seed, leaf, np.zeros(len(leaf)))
        oldest = np.maximum(self.written - (size - 1), 0)
        for offset in (1, 0):
            start = self.written - length - offset
            seed, stream = np.nonzero((start > before - length) & (start >= oldest))
            slot = start[seed, stream] % size
            step = rows.valid[seed, slot, stream]
            seed, leaf = seed[step], (slot * n_envs + stream)[step]
            tree.update(seed, leaf, self.largest[seed])

    def _uniform_starts(
        self, generator: np.random.Generator, valid: Any, oldest: np.ndarray, starts: np.ndarray
    ) -> np.ndarray:
        """Leaves [B, M] of windows of one seed, uniform over the steps that can start one.

        By rejection: rows that hold an episode's last observation are no steps, and are drawn
        again. At most every other row is one, and the first row of all is a step.
        """
        ends = np.cumsum(starts)
        slot = np.empty(self.spec.n_batches * self.spec.batch_size, np.int64)
        stream = np.empty_like(slot)
        wrong = np.arange(len(slot))
        while len(wrong):
            number = generator.integers(0, ends[-1], len(wrong))
            which = np.searchsorted(ends, number, side="right")
            row = oldest[which] + number - (ends[which] - starts[which])
            slot[wrong], stream[wrong] = row % self._size, which
            wrong = wrong[~valid[slot[wrong], stream[wrong]]]
        leaf = slot * self._n_envs + stream
        return leaf.reshape(self.spec.n_batches, self.spec.batch_size)
