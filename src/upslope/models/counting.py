"""What a model of counts remembers, and how steps are counted."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.checks import UpslopeError
from upslope.core.moments import Moments
from upslope.core.records import Trajectories, Transitions
from upslope.models.starts import episode_starts, rows_that_start


class TabularStatistics(NamedTuple):
    """Counts of steps in a finite MDP."""

    counts: Float[Array, "S A S"]  # N(s, a, s'), exact up to 2^24
    reward_sum: Float[Array, "S A"]
    arrivals: Float[Array, " S"]  # how often s' was reached
    ended: Float[Array, " S"]  # how often the episode ended with that
    starts: Float[Array, " S"]  # how often an episode began there
    awaited: Bool[Array, ""]  # whether the first stream's next step begins an episode
    rewards: Moments  # of all rewards
    largest_reward: Float[Array, ""]  # minus infinity before there is one
    transitions: Float[Array, ""]

    @classmethod
    def none(cls, n_states: int, n_actions: int) -> TabularStatistics:
        """Nothing counted yet."""
        return cls(
            counts=jnp.zeros((n_states, n_actions, n_states)),
            reward_sum=jnp.zeros((n_states, n_actions)),
            arrivals=jnp.zeros(n_states),
            ended=jnp.zeros(n_states),
            starts=jnp.zeros(n_states),
            awaited=jnp.ones((), bool),
            rewards=Moments.zeros(()),
            largest_reward=jnp.full((), -jnp.inf, float),
            transitions=jnp.zeros(()),
        )

    @property
    def terminal(self) -> Bool[Array, " S"]:
        """The states [S] that ended the episode more often than not."""
        return self.ended > 0.5 * self.arrivals

    @property
    def reached(self) -> Bool[Array, " S"]:
        """The states [S] that have been seen at all."""
        return (self.arrivals + self.starts + jnp.sum(self.counts, axis=(1, 2))) > 0


class Visits(NamedTuple):
    """Steps as numbers, one row each."""

    state: Int[Array, " N"]
    action: Int[Array, " N"]
    successor: Int[Array, " N"]
    reward: Float[Array, " N"]
    terminated: Bool[Array, " N"]
    valid: Bool[Array, " N"]


def visits_of(fresh: Trajectories, n_states: int, end_state: bool) -> Visits:
    """Steps [T, N] as rows in the order of time; padding is not valid."""
    ended = (fresh.terminated & fresh.valid).reshape(-1)
    successor = fresh.next_observation.reshape(-1).astype(int)
    return Visits(
        state=fresh.observation.reshape(-1).astype(int),
        action=fresh.action.reshape(-1).astype(int),
        successor=jnp.where(ended, n_states - 1, successor) if end_state else successor,
        reward=fresh.reward.reshape(-1),
        terminated=ended,
        valid=fresh.valid.reshape(-1),
    )


def count_steps(
    statistics: TabularStatistics, fresh: Trajectories, visits: Visits, last_value: bool
) -> TabularStatistics:
    """With more steps [T, N]: added to the counts, or in the place of what was counted there."""
    began, awaited = episode_starts(fresh, statistics.awaited, statistics.transitions == 0)
    weight = visits.valid.astype(statistics.counts.dtype)
    reward = jnp.where(visits.valid, visits.reward, 0.0)
    highest = jnp.max(jnp.where(visits.valid, visits.reward, -jnp.inf))
    starts = statistics.starts.at[visits.state].add(began.reshape(-1).astype(weight.dtype))
    after = statistics._replace(
        starts=starts,
        awaited=awaited,
        rewards=statistics.rewards.merge(Moments.of(visits.reward, visits.valid)),
        largest_reward=jnp.maximum(statistics.largest_reward, highest),
        transitions=statistics.transitions + jnp.sum(weight),
    )
    if last_value:
        return jax.lax.scan(_overwrite, after, visits)[0]
    s, a, following = visits.state, visits.action, visits.successor
    return after._replace(
        counts=after.counts.at[s, a, following].add(weight),
        reward_sum=after.reward_sum.at[s, a].add(reward),
        arrivals=after.arrivals.at[following].add(weight),
        ended=after.ended.at[following].add(weight * visits.terminated.astype(weight.dtype)),
    )


def _overwrite(statistics: TabularStatistics, visit: Visits) -> tuple[TabularStatistics, None]:
    size = statistics.arrivals.shape[0]
    # What is not valid is written to a state beyond the last, which is none.
    s = jnp.where(visit.valid, visit.state, size)
    following = jnp.where(visit.valid, visit.successor, size)
    only = jax.nn.one_hot(visit.successor, size, dtype=statistics.counts.dtype)
    return statistics._replace(
        counts=statistics.counts.at[s, visit.action].set(only, mode="drop"),
        reward_sum=statistics.reward_sum.at[s, visit.action].set(visit.reward, mode="drop"),
        arrivals=statistics.arrivals.at[following].set(1.0, mode="drop"),
        ended=statistics.ended.at[following].set(
            visit.terminated.astype(statistics.ended.dtype), mode="drop"
        ),
    ), None


def count_rows(
    data: Transitions, n_states: int, n_actions: int, end_state: bool, last_value: bool
) -> TabularStatistics:
    """The counts of a whole data set, whose columns are NumPy arrays of numbers.

    Raises:
      UpslopeError: a state in which some episodes ended and others went on (which).
    """
    s, a = np.asarray(data.observation), np.asarray(data.action)
    terminated = np.asarray(data.terminated)
    following = np.asarray(data.next_observation)
    following = np.where(terminated, n_states - 1, following) if end_state else following
    reward = np.asarray(data.reward, np.float64)
    began = np.bincount(s[rows_that_start(data)], minlength=n_states)
    kept = np.arange(len(s))
    if last_value:
        pair = s * n_actions + a
        _, newest = np.unique(pair[::-1], return_index=True)
        kept = len(s) - 1 - newest
    counts = np.zeros((n_states, n_actions, n_states))
    np.add.at(counts, (s[kept], a[kept], following[kept]), 1.0)
    reward_sum = np.zeros((n_states, n_actions))
    np.add.at(reward_sum, (s[kept], a[kept]), reward[kept])
    arrivals = np.bincount(following[kept], minlength=n_states)
    ended = np.bincount(following[kept][terminated[kept]], minlength=n_states)
    goes_on = arrivals - ended + np.bincount(s, minlength=n_states)
    mixed = (ended > 0) & (goes_on > 0)
    if mixed.any() and not last_value:
        state = int(np.argmax(mixed))
        raise UpslopeError(
            f"TabularModel got data in which state {state} ended {ended[state]:,} episodes and "
            f"went on {goes_on[state]:,} times: an end that is no property of the state needs a "
            "state of its own, end_state=True."
        )
    return TabularStatistics(
        counts=jnp.asarray(counts, float),
        reward_sum=jnp.asarray(reward_sum, float),
        arrivals=jnp.asarray(arrivals, float),
        ended=jnp.asarray(ended, float),
        starts=jnp.asarray(began, float),
        awaited=jnp.ones((), bool),
        rewards=_moments(reward),
        largest_reward=jnp.asarray(reward.max(), float),
        transitions=jnp.asarray(len(s), float),
    )


def checked_counts(
    counts: np.ndarray, reward: np.ndarray, terminal: np.ndarray, starts: np.ndarray
) -> TabularStatistics:
    """The statistics that counts [S, A, S] and mean rewards [S, A] of one's own stand for.

    Raises:
      UpslopeError: shapes that do not fit together; a count that is negative, NaN or infinite.
    """
    owner = "TabularModel"
    if counts.ndim != 3 or counts.shape[0] != counts.shape[2] or not counts.size:
        raise UpslopeError(
            f"{owner} got counts of shape {counts.shape}: they must be [S, A, S], of states, "
            "actions and successors."
        )
    pairs, states = counts.shape[:2], counts.shape[:1]
    for name, array, wanted in (
        ("counts", counts, counts.shape),
        ("reward", reward, pairs),
        ("terminal", terminal, states),
        ("starts", starts, states),
    ):
        if array.shape != wanted:
            raise UpslopeError(
                f"{owner} got {name} of shape {array.shape}: with counts of shape {counts.shape} "
                f"it must be {wanted}."
            )
        wrong = ~np.isfinite(array) | ((array < 0) if name != "reward" else False)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            remedy = "finite" if name == "reward" else "finite and not negative"
            raise UpslopeError(f"{owner} got {name}{list(at)} = {array[at]}: must be {remedy}.")
    visits = counts.sum(axis=2)
    arrivals = counts.sum(axis=(0, 1)) + terminal
    seen = reward[visits > 0]
    return TabularStatistics(
        counts=jnp.asarray(counts, float),
        reward_sum=jnp.asarray(reward * visits, float),
        arrivals=jnp.asarray(arrivals, float),
        ended=jnp.asarray(np.where(terminal, arrivals, 0.0), float),
        starts=jnp.asarray(starts, float),
        awaited=jnp.ones((), bool),
        rewards=_moments(seen),
        largest_reward=jnp.asarray(seen.max() if seen.size else -np.inf, float),
        transitions=jnp.asarray(counts.sum(), float),
    )


def _moments(values: np.ndarray) -> Moments:
    mean = values.mean() if values.size else 0.0
    parts = (values.size, mean, np.square(values - mean).sum())
    return Moments(*(jnp.asarray(part, float) for part in parts))
