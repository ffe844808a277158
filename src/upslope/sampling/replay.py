"""The last steps of N streams, kept in place, and batches drawn from them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, UInt8

from upslope.core.annotations import Key, PyTree
from upslope.core.checks import UpslopeError
from upslope.core.machine import machine_memory
from upslope.core.records import Replayed, Trajectories
from upslope.core.whole_numbers import scaled_below
from upslope.sampling.experience import Replay
from upslope.sampling.sum_tree import SumTree, importance_weights

UNASKED_PRIORITIES = (
    "A method's priorities() gave some for the windows that it was given, and its experience is "
    "Replay(prioritized=False): use Replay(..., prioritized=True), or return None."
)

# Bytes: larger buffers, all seeds of a run together, are left out of checkpoints by default.
SAVED_REPLAY = 256 * 2**20

# Slots, streams, and whether each starts a window.
Drawn = tuple[Array, Array, Array]

# What a row says of itself, as bits of one number: one column instead of three.
STEP, TERMINATED, TRUNCATED = 1, 2, 4


class MarkedRows(NamedTuple):
    """One row per step; the observation after it is in the next row of the same stream.

    Where an episode ends, the row after it holds the episode's last observation and no step (it is
    not marked as one): the true successor of every step is kept, and no observation twice.
    """

    observation: Any  # [R, N, ...], or a tree of such arrays
    action: Any  # [R, N, ...]
    reward: Float[Array, "R N"]
    marks: UInt8[Array, "R N"]
    extras: Any  # [R, N, ...]
    discount: Float[Array, "R N"] | None


def has(marks: UInt8[Array, "*batch"], mark: int) -> Bool[Array, "*batch"]:
    """Which of the rows' marks include this one."""
    return (marks & jnp.uint8(mark)) != 0


def marks_of(steps: Trajectories) -> UInt8[Array, "*batch"]:
    """The marks of steps, in their shape."""
    columns = ((steps.valid, STEP), (steps.terminated, TERMINATED), (steps.truncated, TRUNCATED))
    zero = jnp.zeros(steps.valid.shape, jnp.uint8)
    return sum((jnp.where(column, jnp.uint8(mark), zero) for column, mark in columns), zero)


class ReplayBuffer(NamedTuple):
    """A ring of R rows per stream.

    Row i of a stream, counted from its first one, is in slot i mod R. The slot after the newest row
    holds the observation that follows it, so that R - 1 rows can be drawn.
    """

    rows: MarkedRows
    written: Int[Array, " N"]  # rows written so far, per stream
    tree: SumTree | None  # over slots x streams, where drawing is prioritised
    largest: Float[Array, ""] | None  # the largest priority (to the power alpha) there has been


def rows_of(spec: Replay) -> int:
    """R: slots per stream, one more than can be drawn."""
    # One row more than a window: of two neighbouring starts at least one is a step.
    return max(-(-spec.capacity // spec.fresh.n_envs), spec.sequence_length + 1) + 1


def empty_buffer(spec: Replay, steps: Trajectories) -> ReplayBuffer:
    """A buffer without a row.

    Args:
      spec: its size.
      steps: shapes and types of what is kept, leaves [T, N, ...].
    """
    size, n_envs = rows_of(spec), spec.fresh.n_envs

    def blank(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape[1:]), leaf.dtype), tree)

    rows = MarkedRows(
        observation=blank(steps.observation),
        action=blank(steps.action),
        reward=blank(steps.reward),
        marks=jnp.zeros((size, n_envs), jnp.uint8),
        extras=blank(steps.extras),
        discount=blank(steps.discount),
    )
    tree = SumTree.zeros(size * n_envs) if spec.prioritized else None
    largest = jnp.ones(()) if spec.prioritized else None
    return ReplayBuffer(rows, jnp.zeros(n_envs, int), tree, largest)


def bytes_of(leaves: PyTree) -> int:
    """How much memory the arrays of a tree take, or those that its shapes stand for."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(leaves))


def buffer_bytes(spec: Replay, steps: Trajectories) -> int:
    """How much memory a buffer takes, per seed."""
    return bytes_of(jax.eval_shape(lambda: empty_buffer(spec, steps)))


def refuse_beyond_memory(spec: Replay, n_bytes: int, available: int | None = None) -> None:
    """Refuses buffers that cannot be.

    Args:
      spec: asked for.
      n_bytes: what the buffers of all seeds take.
      available: bytes of memory in all; None: the machine's.

    Raises:
      UpslopeError: says both sizes.
    """
    available = machine_memory() if available is None else available
    if n_bytes > available:
        raise UpslopeError(
            f"Replay of {spec.capacity:,} steps takes {n_bytes / 2**30:,.1f} GiB for all seeds, "
            f"and there are {available / 2**30:,.1f} GiB of memory: choose a smaller buffer_size "
            "or fewer seeds."
        )


def saves_replay(choice: bool | str, n_bytes: int) -> bool:
    """Whether checkpoints hold the buffers of a run.

    Args:
      choice: True or False; "auto": where all seeds' buffers together take `SAVED_REPLAY` at most.
      n_bytes: what they take.
    """
    return n_bytes <= SAVED_REPLAY if choice == "auto" else bool(choice)


def refilled(name: str) -> str:
    """What is said where a run goes on from a checkpoint without a buffer."""
    return (
        f"The checkpoint does not hold the steps of {name} that replay draws from (more than "
        f"{SAVED_REPLAY >> 20} MiB, or save_replay=False): the buffer is filled anew, and the run "
        "is not the uninterrupted one."
    )


def add_steps(spec: Replay, buffer: ReplayBuffer, steps: Trajectories) -> ReplayBuffer:
    """The buffer with steps [T, N, ...] added, one after the other."""
    size, n_envs = buffer.rows.reward.shape
    streams = jnp.arange(n_envs)
    length = spec.sequence_length

    def one(buffer: ReplayBuffer, step: Trajectories) -> tuple[ReplayBuffer, None]:
        # Padding is not kept: its stream stays where it is, and a slot beyond the last is no slot.
        nowhere = jnp.where(step.valid, 0, size)
        here = buffer.written % size + nowhere
        following = (buffer.written + 1) % size + nowhere
        ended = step.terminated | step.truncated

        def put(column: Array, slot: Array, values: Array) -> Array:
            return column.at[slot, streams].set(values.astype(column.dtype), mode="drop")

        def put_all(columns: Any, slot: Array, values: Any) -> Any:
            return jax.tree.map(lambda column, value: put(column, slot, value), columns, values)

        rows = buffer.rows
        observation = put_all(rows.observation, here, step.observation)
        observation = put_all(observation, following, step.next_observation)
        rows = MarkedRows(
            observation=observation,
            action=put_all(rows.action, here, step.action),
            reward=put(rows.reward, here, step.reward),
            # After an end the next row is no step; else the next step writes it anew.
            marks=put(
                put(rows.marks, here, marks_of(step)), following, jnp.zeros(n_envs, jnp.uint8)
            ),
            extras=put_all(rows.extras, here, step.extras),
            discount=put_all(rows.discount, here, step.discount),
        )
        taken = step.valid.astype(int)
        written = buffer.written + taken + (ended & step.valid).astype(int)
        tree = buffer.tree
        if tree is not None:
            assert buffer.largest is not None
            tree = _admit(tree, buffer, rows, written, length)
        return ReplayBuffer(rows, written, tree, buffer.largest), None

    if steps.restarted is not None:
        buffer = _abandon(buffer, steps.restarted, length)
    light = steps._replace(memory=(), restarted=None)
    return jax.lax.scan(one, buffer, light)[0]


def _abandon(buffer: ReplayBuffer, restarted: Array, length: int) -> ReplayBuffer:
    """Ends the episodes of streams that begin anew: their last step is a truncated one."""
    size, n_envs = buffer.rows.reward.shape
    streams = jnp.arange(n_envs)
    last = jnp.maximum(buffer.written - 1, 0) % size
    marks = buffer.rows.marks[last, streams]
    over = restarted & (buffer.written > 0) & has(marks, STEP)
    ended = jnp.where(over, marks | jnp.uint8(TRUNCATED), marks)
    rows = buffer.rows._replace(marks=buffer.rows.marks.at[last, streams].set(ended))
    written = buffer.written + over.astype(int)
    tree = buffer.tree
    if tree is not None:
        tree = _admit(tree, buffer, rows, written, length)
    return buffer._replace(rows=rows, written=written, tree=tree)


def _admit(
    tree: SumTree, before: ReplayBuffer, rows: MarkedRows, written: Array, length: int
) -> SumTree:
    """Gives windows that have become whole the largest priority, and what is overwritten none."""
    size, n_envs = rows.reward.shape
    streams = jnp.arange(n_envs)
    assert before.largest is not None
    changed: list[Array] = []
    # At most two rows have been added: a step, and what follows an end.
    for offset in (1, 0):
        slot = (written - offset) % size
        leaf = slot * n_envs + streams
        new = (written - offset) >= before.written  # the row there before is overwritten
        tree = tree.with_leaves(leaf, jnp.where(new, 0.0, tree.priority(leaf)))
        changed.append(leaf)
    oldest = jnp.maximum(written - (size - 1), 0)
    for offset in (1, 0):
        start = written - length - offset
        leaf = (jnp.maximum(start, 0) % size) * n_envs + streams
        whole = (start > before.written - length) & (start >= oldest)
        whole = whole & has(rows.marks[leaf // n_envs, streams], STEP)
        tree = tree.with_leaves(leaf, jnp.where(whole, before.largest, tree.priority(leaf)))
        changed.append(leaf)
    return tree.summed(jnp.concatenate(changed))


def draw_batches(key: Key, spec: Replay, buffer: ReplayBuffer, fresh: Trajectories) -> Replayed:
    """Batches of windows of the steps that are kept. The key is consumed.

    Windows start at steps only, uniformly or in proportion to their priorities, and never reach
    beyond the newest step of their stream. While no stream holds a whole window, nothing is drawn:
    `valid` and `weights` are zero everywhere.
    """
    rows = buffer.rows
    size, n_envs = rows.reward.shape
    length, shape = spec.sequence_length, (spec.n_batches, spec.batch_size)
    oldest = jnp.maximum(buffer.written - (size - 1), 0)
    starts = jnp.maximum(buffer.written - oldest - length + 1, 0)  # [N] rows that may be a start
    if spec.prioritized:
        assert buffer.tree is not None
        leaf = buffer.tree.draw(jax.random.uniform(key, shape))
        slot, stream = leaf // n_envs, leaf % n_envs
        ready = buffer.tree.total > 0
        share = buffer.tree.priority(leaf) / jnp.where(ready, buffer.tree.total, 1.0)
        weights = importance_weights(share, spec.importance_exponent)
    else:
        ends = jnp.cumsum(starts)
        # Where one row alone may be a start it is the first of its stream, which is a step; of two
        # neighbours one is.
        ready = jnp.any(starts > 0)
        slot, stream = _uniform_starts(key, shape, rows, oldest, ends, ready)
        weights = jnp.where(ready, jnp.ones(shape), 0.0)

    # [B, L, M]: the rows of each window, and those after them.
    slots = within(slot[:, None] + jnp.arange(length)[None, :, None], size)
    columns = jnp.broadcast_to(stream[:, None], slots.shape)
    seen = slots[:, : spec.observed_steps]
    after = within(seen + 1, size)

    def take(tree: Any, slots: Array) -> Any:
        return jax.tree.map(lambda column: column[slots, columns[:, : slots.shape[1]]], tree)

    marks = take(rows.marks, slots)
    ended = has(marks, TERMINATED | TRUNCATED)
    earlier = jnp.cumsum(ended, axis=1) - ended  # ends before each step of the window
    valid = has(marks, STEP) & (earlier == 0) & ready
    batches = Trajectories(
        observation=take(rows.observation, seen),
        action=take(rows.action, slots),
        reward=take(rows.reward, slots),
        next_observation=take(rows.observation, after),
        terminated=has(marks, TERMINATED) & valid,
        truncated=has(marks, TRUNCATED) & valid,
        valid=valid,
        extras=take(rows.extras, slots),
        discount=None if rows.discount is None else take(rows.discount, slots),
    )
    filled = jnp.sum(jnp.minimum(buffer.written, size - 1))
    return Replayed(fresh, batches, slot * n_envs + stream, weights, filled)


def within(slots: Int[Array, "*shape"], size: int) -> Int[Array, "*shape"]:
    """Slots below 2 R of a ring of R rows, as those below R: a remainder costs a division each."""
    return jnp.where(slots >= size, slots - size, slots)


def _uniform_starts(
    key: Array, shape: tuple[int, ...], rows: MarkedRows, oldest: Array, ends: Array, ready: Array
) -> tuple[Array, Array]:
    """Slots and streams of windows, uniform over the steps that can start one: by rejection.

    Rows that hold an episode's last observation are no steps, and are drawn again. At most every
    other row is one.
    """
    size, n_envs = rows.reward.shape
    possible, count = jnp.maximum(ends[-1], 1), math.prod(shape)
    oldest_slot = oldest % size

    def draw(words: Array) -> Drawn:
        number, fair = scaled_below(words.reshape(shape), possible)
        if n_envs == 1:  # a search, even of one entry, costs as much as the rest
            stream, before = jnp.zeros_like(number), 0
        else:
            stream = jnp.searchsorted(ends, number, side="right").astype(int)
            stream = jnp.minimum(stream, n_envs - 1)
            before = jnp.where(stream > 0, ends[jnp.maximum(stream - 1, 0)], 0)
        slot = within(oldest_slot[stream] + number - before, size)
        return slot, stream, fair & has(rows.marks[slot, stream], STEP)

    def wrong(carry: tuple[Array, Drawn]) -> Array:
        return ready & ~jnp.all(carry[1][2])

    def draw_again(carry: tuple[Array, Drawn]) -> tuple[Array, Drawn]:
        word, (slot, stream, right) = carry
        words = jax.random.bits(jax.random.key(word), (count + 1,), jnp.uint32)
        new_slot, new_stream, new_right = draw(words[:count])
        slot, stream = jnp.where(right, slot, new_slot), jnp.where(right, stream, new_stream)
        return words[count], (slot, stream, right | new_right)

    # One word more is the key of the next round: to split a key costs as much as to draw.
    words = jax.random.bits(key, (count + 1,), jnp.uint32)
    drawn = draw(words[:count])
    _, (slot, stream, _) = jax.lax.while_loop(wrong, draw_again, (words[count], drawn))
    return slot, stream


def set_priorities(
    spec: Replay, buffer: ReplayBuffer, drawn: Replayed, priorities: Float[Array, "B M"]
) -> ReplayBuffer:
    """The buffer with new priorities p_i >= 0 [B, M] of the windows that were drawn."""
    if buffer.tree is None or buffer.largest is None:
        raise UpslopeError(UNASKED_PRIORITIES)
    leaves = drawn.indices.reshape(-1)
    known = drawn.weights.reshape(-1) > 0
    powers = priorities.reshape(-1) ** spec.priority_exponent
    tree = buffer.tree.update(leaves, jnp.where(known, powers, buffer.tree.priority(leaves)))
    largest = jnp.maximum(buffer.largest, jnp.max(jnp.where(known, powers, 0.0)))
    return ReplayBuffer(buffer.rows, buffer.written, tree, largest)
