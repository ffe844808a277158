"""MuZero's targets: by hand at every kind of end, by their definition, and off by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.records import Trajectories
from upslope.search.games.muzero.targets import (
    last_observation,
    unrolled_targets,
    window_length,
)

REWARDS, VALUES = [1.0, 2.0, 3.0, 4.0, 5.0], [10.0, 20.0, 30.0, 40.0, 50.0]
AFTER = 100.0


def windows_of(rewards, *, ends=None, terminated=True, discount=None):
    """One window [L, 1] that ends with step `ends`, or not."""
    n = len(rewards)
    column = lambda x: jnp.asarray(x, float)[:, None]  # noqa: E731
    end = jnp.arange(n)[:, None] == (-1 if ends is None else ends)
    return Trajectories(
        observation=column(range(n))[..., None],
        action=jnp.zeros((n, 1), int),
        reward=column(rewards),
        next_observation=column(range(1, n + 1))[..., None],
        terminated=end & terminated,
        truncated=end & (not terminated),
        valid=jnp.arange(n)[:, None] <= (n if ends is None else ends),
        discount=None if discount is None else column(discount),
    )


def targets_of(windows, values=VALUES, after=AFTER, gamma=0.5, n_step=2, unroll_steps=2):
    values = jnp.asarray(values, float)
    policies = jnp.stack([values, -values], axis=-1)[:, None]
    return unrolled_targets(
        windows, values[:, None], policies, jnp.asarray([after]), gamma, n_step, unroll_steps
    )


@pytest.mark.parametrize(
    ("windows", "value", "value_weight", "reward", "reward_weight", "policy_weight"),
    [
        (windows_of(REWARDS), [9.5, 13.5, 17.5], [1, 1, 1], [1, 2], [1, 1], [1, 1, 1]),
        # Terminated at the second step: an absorbing state of no value comes after it.
        (windows_of(REWARDS, ends=1), [2, 2, 0], [1, 1, 1], [1, 2], [1, 1], [1, 1, 0]),
        (windows_of(REWARDS, ends=0), [1, 0, 0], [1, 1, 1], [1, 0], [1, 1], [1, 0, 0]),
        # Truncated there: the value of what was seen last; of what comes after nothing is known.
        (
            windows_of(REWARDS, ends=1, terminated=False),
            [27, 52, 100], [1, 1, 0], [1, 2], [1, 1], [1, 1, 0],
        ),
        (
            windows_of(REWARDS, ends=0, terminated=False),
            [51, 100, 100], [1, 0, 0], [1, 0], [1, 0], [1, 0, 0],
        ),
        # The end is beyond the root's target and within the last one's.
        (windows_of(REWARDS, ends=3), [9.5, 13.5, 5], [1, 1, 1], [1, 2], [1, 1], [1, 1, 1]),
        (
            windows_of(REWARDS, ends=2, terminated=False),
            [9.5, 28.5, 53], [1, 1, 1], [1, 2], [1, 1], [1, 1, 1],
        ),
        # After each move it is the opponent's turn.
        (
            windows_of(REWARDS, discount=[-1.0] * 5),
            [7.5, 10.5, 13.5], [1, 1, 1], [1, 2], [1, 1], [1, 1, 1],
        ),
    ],
)  # fmt: skip
def test_by_hand(windows, value, value_weight, reward, reward_weight, policy_weight):
    found = targets_of(windows)
    known = np.asarray(value_weight, bool)
    np.testing.assert_allclose(found.value[known, 0], np.asarray(value)[known], rtol=1e-6)
    np.testing.assert_array_equal(found.value_weight[:, 0], value_weight)
    np.testing.assert_allclose(found.reward[:, 0], reward)
    np.testing.assert_array_equal(found.reward_weight[:, 0], reward_weight)
    np.testing.assert_array_equal(found.policy_weight[:, 0], policy_weight)
    steps = np.asarray(policy_weight, bool)
    np.testing.assert_array_equal(found.policy[steps, 0, 0], np.asarray(VALUES[:3])[steps])


def by_definition(windows, values, after, gamma, n_step, unroll_steps):
    """The sum of equation 3 of the paper's appendix, one term after the other."""
    out = []
    valid = int(windows.valid[:, 0].sum())
    over = bool((windows.terminated & windows.valid).any())
    for k in range(unroll_steps + 1):
        total, weight, t = 0.0, 1.0, k
        while t < min(k + n_step, valid):
            total += weight * float(windows.reward[t, 0])
            weight *= gamma * (1.0 if windows.discount is None else float(windows.discount[t, 0]))
            t += 1
        bootstrap = float(values[t]) if t < valid else 0.0 if over else after
        out.append(total + weight * bootstrap)
    return out


def off_by_one(kind, windows, values):
    """What is often mistaken, such as the reward before a state for the one after it."""
    values = jnp.asarray(values)
    if kind == "rewards one late":
        return windows._replace(reward=jnp.roll(windows.reward, 1, axis=0)), values
    if kind == "values one early":
        return windows, jnp.roll(values, 1)
    return windows._replace(valid=jnp.ones_like(windows.valid)), values


@pytest.mark.parametrize("mistake", ["rewards one late", "values one early", "blind to the end"])
def test_by_definition_at_every_end_and_mistakes_are_detected(mistake):
    n_step, unroll_steps, gamma = 3, 2, 0.9
    length, rng = window_length(3, 2), np.random.default_rng(0)
    wrong = []
    for ends in (None, *range(length)):
        for terminated in (True, False):
            rewards, values = rng.normal(size=length), rng.normal(size=length)
            windows = windows_of(rewards, ends=ends, terminated=terminated)
            expected = by_definition(windows, values, 7.0, gamma, n_step, unroll_steps)
            settings = dict(after=7.0, gamma=gamma, n_step=n_step, unroll_steps=unroll_steps)
            found = targets_of(windows, values, **settings)
            known = np.asarray(found.value_weight[:, 0], bool)
            np.testing.assert_allclose(
                found.value[:, 0][known], np.asarray(expected)[known], rtol=1e-5
            )
            other, moved = off_by_one(mistake, windows, values)
            mistaken = targets_of(other, moved, **settings)
            wrong.append(not np.allclose(mistaken.value[:, 0][known], np.asarray(expected)[known]))
    assert sum(wrong) >= len(wrong) // 2


def test_the_n_step_returns_of_rlax():
    """rlax/_src/multistep_test.py (Apache-2.0), n = 3: bootstrapped at the last value."""
    rewards = [[1, 0, -1, 0, 1], [0.5, 0.8, -0.7, 0, 2.1]]
    discounts = [[0.5, 0.9, 1, 0.5, 0.8], [0.9, 0.5, 0.3, 0.8, 0.7]]
    values = [[3, 1, 5, -5, 3], [-1.7, 1.2, 2.3, 2.2, 2.7]]
    golden = [[2.8, -3.15, 0.7, 1.7, 3.4], [1.2155, 0.714, 0.2576, 3.192, 3.99]]
    more = [0.0] * (window_length(4, 3) - 5)
    for reward, discount, value, expected in zip(rewards, discounts, values, golden, strict=True):
        windows = windows_of(
            [*reward, *more], ends=4, terminated=False, discount=[*discount, *more]
        )
        roots = [float("nan"), *value[:4], *more]
        found = targets_of(windows, roots, value[4], gamma=1.0, n_step=3, unroll_steps=4)
        np.testing.assert_allclose(found.value[:, 0], expected, rtol=1e-5)


def test_nothing_is_learnt_from_windows_that_are_not_there():
    windows = windows_of(REWARDS, ends=1)
    nothing = windows._replace(valid=jnp.zeros((5, 1), bool))
    found = targets_of(nothing)
    for weights in (found.value_weight, found.policy_weight, found.reward_weight):
        assert not weights.any()


def test_the_observation_after_the_end():
    for ends, seen in ((0, 1), (2, 3), (None, 5)):
        windows = windows_of(REWARDS, ends=ends)
        assert float(last_observation(windows)[0, 0]) == seen


def test_windows_are_independent():
    """A batch is its windows, one by one."""
    windows = [windows_of(REWARDS, ends=1), windows_of(REWARDS), windows_of(REWARDS, ends=3)]
    together = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), *windows)
    values = jnp.broadcast_to(jnp.asarray(VALUES)[:, None], (5, 3))
    found = unrolled_targets(together, values, jnp.ones((5, 3, 2)), jnp.full(3, AFTER), 0.5, 2, 2)
    for column, one in enumerate(windows):
        np.testing.assert_array_equal(found.value[:, column], targets_of(one).value[:, 0])
