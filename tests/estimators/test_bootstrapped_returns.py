"""Returns that end in a value: golden numbers, and the identities between them."""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.distributions import Categorical
from upslope.estimators import (
    generalized_advantages,
    lambda_returns,
    n_step_returns,
    surrogate,
    vtrace,
)

# rlax, `multistep_test.py` (Apache-2.0): lambda_returns, discounted_returns, n-step returns.
REWARD = np.array([[1, 0, -1, 0, 1], [0.5, 0.8, -0.7, 0, 2.1]]).T
DISCOUNT = np.array([[0.5, 0.9, 1, 0.5, 0.8], [0.9, 0.5, 0.3, 0.8, 0.7]]).T
NEXT_VALUE = np.array([[3, 1, 5, -5, 3], [-1.7, 1.2, 2.3, 2.2, 2.7]]).T
LAMBDA_RETURNS = [
    [1.6460547, 0.72281253, 0.7375001, 0.6500001, 3.4],
    [0.7866317, 0.9913063, 0.1101501, 2.834, 3.99],
]
DISCOUNTED_RETURNS = [[1.315, 0.63, 0.7, 1.7, 3.4], [1.33592, 0.9288, 0.2576, 3.192, 3.99]]
THREE_STEPS = [[2.8, -3.15, 0.7, 1.7, 3.4], [1.2155, 0.714, 0.2576, 3.192, 3.99]]
NEVER = np.zeros((5, 2), bool)


def arrays(*given):
    return [jnp.asarray(x) for x in given]


@pytest.mark.parametrize(
    ("gae_lambda", "golden"), [(0.75, LAMBDA_RETURNS), (1, DISCOUNTED_RETURNS)]
)
def test_golden_lambda_returns(gae_lambda, golden):
    got = lambda_returns(*arrays(REWARD, NEXT_VALUE, NEVER, NEVER, DISCOUNT), gae_lambda)
    np.testing.assert_allclose(got.T, golden, rtol=1e-5)


def test_golden_n_step_returns():
    got = n_step_returns(*arrays(REWARD, NEXT_VALUE, NEVER, NEVER, DISCOUNT), 3)
    np.testing.assert_allclose(got.T, THREE_STEPS, rtol=1e-5)


# rlax, `vtrace_test.py` (Apache-2.0).
BEHAVIOUR = np.array(
    [
        [[8.9, 0.7], [5.0, 1.0], [0.6, 0.1], [-0.9, -0.1]],
        [[0.3, -5.0], [1.0, -8.0], [0.3, 1.7], [4.7, 3.3]],
    ]
)
TARGET = np.array(
    [
        [[0.4, 0.5], [9.2, 8.8], [0.7, 4.4], [7.9, 1.4]],
        [[1.0, 0.9], [1.0, -1.0], [-4.3, 8.7], [0.8, 0.3]],
    ]
)
ACTION = np.array([[0, 1, 0, 0], [1, 0, 0, 1]])
VTRACE_REWARD = np.array([[-1.3, -1.3, 2.3, 42.0], [1.3, 5.3, -3.3, -5.0]]).T
VTRACE_DISCOUNT = np.array([[0.0, 0.89, 0.85, 0.99], [0.88, 1.0, 0.83, 0.95]]).T
VALUE = np.array([[2.1, 1.1, -3.1, 0.0], [3.1, 0.1, -1.1, 7.4]]).T
BOOTSTRAP = np.array([[8.4, -1.2]])
ERRORS = [
    [-1.6155143, -3.4973226, 1.8670533, 50.316002],
    [1.4662437, 3.6116405, -8.3327e-5, -13.54],
]


def test_golden_vtrace():
    def log_prob(logits):
        table = jax.nn.log_softmax(jnp.asarray(logits))
        return jnp.take_along_axis(table, jnp.asarray(ACTION)[..., None], -1)[..., 0].T

    never = np.zeros((4, 2), bool)
    following = np.concatenate([VALUE[1:], BOOTSTRAP])
    got = vtrace(
        log_prob(TARGET) - log_prob(BEHAVIOUR),
        *arrays(VTRACE_REWARD, VALUE, following, never, never, VTRACE_DISCOUNT),
    )
    np.testing.assert_allclose((got.value - VALUE).T, ERRORS, rtol=1e-3)


# rlax, `policy_gradients_test.py` (Apache-2.0): policy_gradient_loss and entropy_loss.
LOGITS = np.array([[1.0, 1, 1], [2, 0, 0], [-1, -2, -3]])
CHOSEN = [[0, 1, 2], [0, 0, 0]]
ADVANTAGE = np.array([0.3, 0.2, 0.1])
WEIGHTS = np.array([[-2.0, 2, 0], [-3, 1, -1]])


@pytest.mark.parametrize(("row", "golden"), [(0, 0.0788835088), (1, 0.327200909)])
def test_golden_policy_gradient_loss(row, golden):
    """The loss is minus the mean of the surrogate, whose gradient is the estimate."""
    logits = jnp.asarray(LOGITS + row)
    log_prob = jax.vmap(lambda h, a: Categorical(h).log_prob(a))(logits, jnp.array(CHOSEN[row]))
    weight = jnp.asarray((1 - 2 * row) * ADVANTAGE * WEIGHTS[row])
    np.testing.assert_allclose(-surrogate(log_prob, weight) / 3, golden, atol=1e-4)


@pytest.mark.parametrize(("row", "golden"), [(0, 0.288693), (1, 1.15422)])
def test_golden_entropy_loss(row, golden):
    entropy = jax.vmap(lambda h: Categorical(h).entropy())(jnp.asarray(LOGITS + row))
    np.testing.assert_allclose(-jnp.mean(entropy * WEIGHTS[row]), golden, atol=1e-4)


def stream(seed=0, steps=9, streams=3):
    rng = np.random.default_rng(seed)
    reward, value, next_value = rng.normal(size=(3, steps, streams))
    terminated, truncated = np.zeros((2, steps, streams), bool)
    terminated[3, 0] = truncated[4, 1] = True
    next_value[3, 0] = np.nan  # the value after a termination is nobody's
    return arrays(reward, value, next_value, terminated, terminated | truncated)


def consistent(reward, value, next_value, terminated, ended):
    """The same streams, the value of a successor being that of the next row where there is one."""
    shifted = jnp.concatenate([value[1:], next_value[-1:]])
    return reward, value, jnp.where(ended, next_value, shifted), terminated, ended


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_lambda_returns_are_advantages_plus_value(x64, gae_lambda):
    """Where the value of a successor is that of the next row, sums of TD errors telescope."""
    reward, value, next_value, terminated, ended = consistent(*stream())
    advantage = generalized_advantages(
        reward, value, next_value, terminated, ended, 0.9, gae_lambda
    )
    got = lambda_returns(reward, next_value, terminated, ended, 0.9, gae_lambda)
    np.testing.assert_allclose(got, advantage + value, rtol=1e-12)


def by_hand(reward, next_value, terminated, ended, gamma, n):
    reward, next_value, terminated, ended = map(np.asarray, (reward, next_value, terminated, ended))
    steps, streams = reward.shape
    result = np.zeros((steps, streams))
    for t, k in itertools.product(range(steps), range(streams)):
        for i in range(t, min(t + n, steps)):
            result[t, k] += gamma ** (i - t) * reward[i, k]
            last = i == min(t + n, steps) - 1
            if terminated[i, k]:
                break
            if ended[i, k] or last:
                result[t, k] += gamma ** (i - t + 1) * next_value[i, k]
                break
    return result


@pytest.mark.parametrize("n", [1, 2, 4, 20])
def test_n_step_returns_stop_where_episodes_do(x64, n):
    reward, _, next_value, terminated, ended = stream()
    got = n_step_returns(reward, next_value, terminated, ended, 0.9, n)
    want = by_hand(reward, next_value, terminated, ended, 0.9, n)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_truncation_taken_for_a_termination_is_seen(x64):
    reward, _, next_value, _, ended = stream()
    next_value = jnp.nan_to_num(next_value)
    want = by_hand(reward, next_value, jnp.zeros_like(ended), ended, 0.9, 3)
    for wrong in (
        n_step_returns(reward, next_value, ended, ended, 0.9, 3),
        lambda_returns(reward, next_value, ended, ended, 0.9, 1.0),
    ):
        assert np.abs(np.asarray(wrong)[4, 1] - want[4, 1]) > 0.1


@pytest.mark.slow
def test_vtrace_on_policy_is_the_lambda_return(x64):
    reward, value, next_value, terminated, ended = consistent(*stream())
    for gae_lambda in (1.0, 0.6):
        args = (reward, value, next_value, terminated, ended, 0.9, gae_lambda)
        got = vtrace(jnp.zeros_like(reward), *args)
        want = lambda_returns(reward, next_value, terminated, ended, 0.9, gae_lambda)
        np.testing.assert_allclose(got.value, want, rtol=1e-10)
        # What the score is weighed with is the advantage of that return.
        np.testing.assert_allclose(got.advantage, generalized_advantages(*args), rtol=1e-9)


def expected_targets(clip, gamma=0.9):
    """E_b of the V-trace target of state 0, by enumerating two steps of a two-state chain."""
    pi = np.array([[0.8, 0.2], [0.3, 0.7]])
    b = np.array([[0.5, 0.5], [0.6, 0.4]])
    reward = np.array([[1.0, -1.0], [2.0, 0.5]])  # action a leads to state a
    value = np.array([0.7, -0.4])
    expected = 0.0
    for first, second in itertools.product(range(2), range(2)):
        states, actions = [0, first], [first, second]
        rows = [pi[s, a] for s, a in zip(states, actions, strict=True)]
        base = [b[s, a] for s, a in zip(states, actions, strict=True)]
        never = jnp.zeros(2, bool)
        got = vtrace(
            jnp.log(jnp.array(rows) / jnp.array(base)),
            jnp.array([reward[s, a] for s, a in zip(states, actions, strict=True)]),
            jnp.array(value[states]),
            jnp.array(value[actions]),
            never,
            never,
            gamma,
            rho_clip=clip,
            c_clip=clip,
        )
        expected += np.prod(base) * float(got.value[0])
    chain, gain = pi.copy(), (pi * reward).sum(1)
    return expected, gain[0] + gamma * chain[0] @ (gain + gamma * chain @ value)


def test_vtrace_without_clips_is_unbiased_by_enumeration(x64):
    got, want = expected_targets(math.inf)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    got, want = expected_targets(1.0)
    assert abs(got - want) > 0.05


def test_an_absurd_ratio_cannot_overflow():
    reward, value, next_value, terminated, ended = stream()
    for log_ratio in (1e4, -1e4, -jnp.inf):
        got = vtrace(
            jnp.full_like(reward, log_ratio), reward, value, next_value, terminated, ended, 0.9
        )
        assert bool(jnp.isfinite(got.value).all() & jnp.isfinite(got.advantage).all())


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="n_steps=0"):
        n_step_returns(*arrays(REWARD, NEXT_VALUE, NEVER, NEVER, DISCOUNT), 0)
