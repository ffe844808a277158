"""A model of a finite world that is updated step by step, in arrays of fixed size."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, UInt32

from upslope.search.value_based.tabular_method import Transition, entry

ModelKind = Literal["last", "sampled", "expected"]
MODEL_KINDS = ("last", "sampled", "expected")


class Outcomes(NamedTuple):
    """What a pair has led to, K outcomes side by side; leaves [S, A, K]."""

    successor: Int[Array, "S A K"]
    reward: Float[Array, "S A K"]  # mean of the outcome; the last one in a last-value model
    continuation: Float[Array, "S A K"]  # what gamma is multiplied with; 0 where it terminated
    count: Float[Array, "S A K"]  # how often; 0 for no outcome


class Visited(NamedTuple):
    """Which states and actions were tried, in lists from which one is drawn in constant time."""

    states: Int[Array, " S"]  # in the order of their first visit
    n_states: Int[Array, ""]
    actions: Int[Array, "S A"]  # of each state, in the order of their first trial
    n_actions: Int[Array, " S"]  # 0 for a state without a trial


class ObservedModel(NamedTuple):
    """What the world did, and when each pair was last tried."""

    outcomes: Outcomes
    visited: Visited
    tried_at: Int[Array, "S A"]  # the step of its last trial, from 1; 0 for never


def no_observations(n_states: int, n_actions: int, n_outcomes: int) -> ObservedModel:
    """The model before anything was seen: every action stays where it is and earns nothing."""
    shape = (n_states, n_actions, n_outcomes)
    states = jnp.broadcast_to(jnp.arange(n_states)[:, None, None], shape)
    outcomes = Outcomes(
        successor=states.astype(int),
        reward=jnp.zeros(shape),
        continuation=jnp.ones(shape),
        count=jnp.zeros(shape),
    )
    visited = Visited(
        states=jnp.zeros(n_states, int),
        n_states=jnp.zeros((), int),
        actions=jnp.zeros((n_states, n_actions), int),
        n_actions=jnp.zeros(n_states, int),
    )
    return ObservedModel(outcomes, visited, jnp.zeros((n_states, n_actions), int))


def observe(model: ObservedModel, step: Transition, clock: Array, kind: ModelKind) -> ObservedModel:
    """The model with one more step of the world.

    Args:
      model: so far.
      step: what happened.
      clock: the number of the step, from 1; it never goes back.
      kind: `"last"` keeps the last outcome of each pair and forgets the others; the other kinds
        count outcomes, K of them: a new one beyond takes the place of the one seen least.
    """
    state, action = step.state, step.action
    before = entry(model.tried_at, state, action)
    is_new = before == 0
    # The clock is never behind; what is written depends on what was read, so that it comes after.
    now = jnp.maximum(before, clock.astype(before.dtype))
    return ObservedModel(
        outcomes=_with_outcome(model.outcomes, step, kind),
        visited=_with_trial(model.visited, state, action, is_new),
        tried_at=model.tried_at.at[state, action].set(now),
    )


def _with_trial(visited: Visited, state: Array, action: Array, is_new: Array) -> Visited:
    """The lists with a pair appended, where it is new."""
    n_states, n_actions = visited.n_states, visited.n_actions[state]
    new_state = is_new & (n_actions == 0)
    # What is not new is written to the place where it will be overwritten, or is already.
    at = jnp.minimum(n_states, visited.states.shape[0] - 1)
    old = visited.states[at]
    slot = jnp.minimum(n_actions, visited.actions.shape[1] - 1)
    old_action = visited.actions[state, slot]
    return Visited(
        states=visited.states.at[at].set(jnp.where(new_state, state, old).astype(old.dtype)),
        n_states=n_states + new_state,
        actions=visited.actions.at[state, slot].set(
            jnp.where(is_new, action, old_action).astype(old_action.dtype)
        ),
        n_actions=visited.n_actions.at[state].set(n_actions + is_new),
    )


def _with_outcome(outcomes: Outcomes, step: Transition, kind: ModelKind) -> Outcomes:
    at = (step.state, step.action)
    if kind == "last":
        slot, count, reward = 0, jnp.ones(()), step.reward
    else:
        counts = outcomes.count[at]
        same = (outcomes.successor[at] == step.successor) & (counts > 0)
        same = same & (outcomes.continuation[at] == step.continuation)
        known = jnp.any(same)
        slot = jnp.where(known, jnp.argmax(same), jnp.argmin(counts))
        # Sums over the row, for the reason that `entry` gives.
        mine = known & (jnp.arange(counts.shape[0]) == slot)
        count = jnp.sum(jnp.where(mine, counts, 0.0)) + 1.0
        before = jnp.sum(jnp.where(mine, outcomes.reward[at], 0.0))
        reward = before + (step.reward - before) / count
    put = (*at, slot)
    return Outcomes(
        successor=outcomes.successor.at[put].set(step.successor.astype(outcomes.successor.dtype)),
        reward=outcomes.reward.at[put].set(reward),
        continuation=outcomes.continuation.at[put].set(step.continuation),
        count=outcomes.count.at[put].set(count),
    )


class Simulated(NamedTuple):
    """What the model says of n pairs; K outcomes of each, weighed."""

    state: Int[Array, " n"]
    action: Int[Array, " n"]
    reward: Float[Array, " n"]  # mean over the outcomes
    successor: Int[Array, "n K"]
    weight: Float[Array, "n K"]  # of each successor's value, besides gamma: share times d


def draw_pairs(
    visited: Visited, words: UInt32[Array, " n"], *, untried: bool
) -> tuple[Int[Array, " n"], Int[Array, " n"]]:
    """States that were visited, uniformly, and one action of each.

    A word u of 32 random bits is enough for both: the whole part of (u / 2^32) n is the state, and
    what is left of it is uniform again and chooses the action. No pair is favoured by more than
    1 in 2^32 / (S A).

    Args:
      visited: at least one state.
      words: of random bits, one for each draw.
      untried: whether actions that were never tried in the state may be drawn, too.
    """
    index, left = multiplied(words, visited.n_states.astype(jnp.uint32))
    state = visited.states[index]
    n_actions = visited.actions.shape[1]
    if untried:
        action, _ = multiplied(left, jnp.uint32(n_actions))
        return state, action.astype(int)
    action, _ = multiplied(left, visited.n_actions[state].astype(jnp.uint32))
    return state, visited.actions[state, action]


def multiplied(
    words: UInt32[Array, " n"], factor: UInt32[Array, ...]
) -> tuple[UInt32[Array, " n"], UInt32[Array, " n"]]:
    """The upper and the lower half of the 64 bits of a product, from products of 16-bit halves."""
    mask, half = jnp.uint32(0xFFFF), jnp.uint32(16)
    low, high = words & mask, words >> half
    factor_low, factor_high = factor & mask, factor >> half
    middle = high * factor_low + ((low * factor_low) >> half)
    other = low * factor_high + (middle & mask)
    upper = high * factor_high + (middle >> half) + (other >> half)
    return upper, words * factor


def simulate(
    outcomes: Outcomes,
    state: Int[Array, " n"],
    action: Int[Array, " n"],
    words: UInt32[Array, " n"],
    kind: ModelKind,
) -> Simulated:
    """What taking these actions in these states leads to.

    The last outcome of each pair; one drawn in proportion to its count, by a word of random bits;
    or all of them, weighed by their shares.
    """
    at = (state, action)
    if kind == "expected":
        weight = _shares(outcomes.count[at])
        reward = jnp.sum(weight * outcomes.reward[at], axis=-1)
        continued = weight * outcomes.continuation[at]
        return Simulated(
            state=state,
            action=action,
            reward=reward,
            successor=outcomes.successor[at],
            weight=continued,
        )
    if kind == "last":
        put = (*at, jnp.zeros_like(state))
    else:
        put = (*at, _drawn_slots(outcomes.count[at], words))
    return Simulated(
        state=state,
        action=action,
        reward=outcomes.reward[put],
        successor=outcomes.successor[put][:, None],
        weight=outcomes.continuation[put][:, None],
    )


def _shares(counts: Float[Array, "n K"]) -> Float[Array, "n K"]:
    """The share of each outcome; all of it to the first where none was seen."""
    total = jnp.sum(counts, axis=-1, keepdims=True)
    first = (jnp.arange(counts.shape[-1]) == 0).astype(counts.dtype)
    return jnp.where(total > 0, counts / jnp.maximum(total, 1.0), first[None, :])


def _drawn_slots(counts: Float[Array, "n K"], words: UInt32[Array, " n"]) -> Int[Array, " n"]:
    numbers = (words >> 8).astype(counts.dtype) / 2**24  # in [0, 1), exactly
    below = jnp.cumsum(_shares(counts), axis=-1) <= numbers[:, None]
    # Rounding may leave the sum short of one: never an outcome that was not seen.
    slots = jnp.arange(counts.shape[-1])[None, :]
    last = jnp.max(jnp.where(counts > 0, slots, 0), axis=-1)
    return jnp.minimum(jnp.sum(below, axis=-1), last)
