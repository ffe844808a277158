"""Generalised advantages: golden numbers, ends of both kinds, and what must not leak."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.estimators import generalized_advantages

# rlax, `multistep_test.py` (Apache-2.0), truncated_generalized_advantage_estimation.
REWARD = np.array([[0, 0, 1, 0, -0.5], [0, 0, 0, 0, 1]], np.float32).T
VALUE = np.array([[1, 4, -3, -2, -1, -1], [-3, -2, -1, 0, 5, -1]], np.float32).T
GOLDEN = {
    1.0: [[-1.45118, -4.4557, 2.5396, 0.5249, -0.49], [3, 2, 1, 0, -4.9]],
    0.7: [[-0.676979, -5.248167, 2.4846, 0.6704, -0.49], [2.2899, 1.73, 1, 0, -4.9]],
    0.4: [[0.56731, -6.042, 2.3431, 0.815, -0.49], [1.725, 1.46, 1, 0, -4.9]],
}


@pytest.mark.parametrize("gae_lambda", GOLDEN)
@pytest.mark.parametrize("column", [0, 1])
def test_golden_vectors(gae_lambda, column):
    """The zero discount in the second row's fourth step is a termination there."""
    terminated = np.zeros(5, bool)
    terminated[3] = column == 1
    got = generalized_advantages(
        *(jnp.asarray(x) for x in (REWARD[:, column], VALUE[:-1, column], VALUE[1:, column])),
        jnp.asarray(terminated),
        jnp.asarray(terminated),
        [0.99, 0.9][column],
        gae_lambda,
    )
    np.testing.assert_allclose(got, GOLDEN[gae_lambda][column], atol=1e-3)


def batch(seed=0, steps=9, streams=3):
    rng = np.random.default_rng(seed)
    reward, value, next_value = rng.normal(size=(3, steps, streams)).astype(np.float32)
    terminated = np.zeros((steps, streams), bool)
    truncated = np.zeros((steps, streams), bool)
    terminated[3, 0] = truncated[4, 1] = True
    truncated[6, 2] = terminated[6, 2] = True  # both flags: it counts as terminated
    return reward, value, next_value, terminated, truncated


def advantages(reward, value, next_value, terminated, truncated, gamma=0.9, gae_lambda=0.8):
    ended = terminated | truncated
    arrays = (jnp.asarray(x) for x in (reward, value, next_value, terminated, ended))
    return np.asarray(generalized_advantages(*arrays, gamma, gae_lambda))


def by_hand(reward, value, next_value, terminated, truncated, gamma=0.9, gae_lambda=0.8):
    """Sums of TD errors, each written out as far as its episode goes."""
    steps, streams = reward.shape
    result = np.zeros((steps, streams))
    for n in range(streams):
        for t in range(steps):
            weight = 1.0
            for k in range(t, steps):
                following = 0.0 if terminated[k, n] else next_value[k, n]
                result[t, n] += weight * (reward[k, n] + gamma * following - value[k, n])
                weight *= gamma * gae_lambda
                if terminated[k, n] or truncated[k, n]:
                    break
    return result


def test_equals_the_sums_of_td_errors():
    np.testing.assert_allclose(advantages(*batch()), by_hand(*batch()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_nothing_leaks_across_the_end_of_an_episode(column):
    """Whatever happens after an end, advantages up to it stay; those after it do move."""
    reward, value, next_value, terminated, truncated = batch()
    end = int(np.argmax(terminated[:, column] | truncated[:, column]))
    before = advantages(reward, value, next_value, terminated, truncated)
    for array in (reward, value, next_value):
        array[end + 1 :, column] += 1e6
    after = advantages(reward, value, next_value, terminated, truncated)
    np.testing.assert_array_equal(after[: end + 1, column], before[: end + 1, column])
    assert (after[end + 1 :, column] != before[end + 1 :, column]).all()


def test_a_termination_has_no_successor_and_a_truncation_has():
    reward, value, next_value, terminated, truncated = batch()
    before = advantages(reward, value, next_value, terminated, truncated)
    next_value[3, 0] = next_value[4, 1] = next_value[6, 2] = 1e6
    after = advantages(reward, value, next_value, terminated, truncated)
    np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])  # terminated (F42 too)
    assert after[4, 1] > 1e5


def test_a_batch_that_stops_in_an_episode_bootstraps_from_its_last_successor():
    reward, value, next_value, terminated, truncated = batch()
    before = advantages(reward, value, next_value, terminated, truncated)
    next_value[-1] += 1.0
    after = advantages(reward, value, next_value, terminated, truncated)
    np.testing.assert_allclose(after[-1] - before[-1], 0.9, rtol=1e-5)


def test_lambda_zero_is_the_td_error_and_lambda_one_the_return():
    reward, value, next_value, terminated, truncated = batch()
    data = (reward, value, next_value, terminated, truncated)
    td = reward + 0.9 * np.where(terminated, 0, next_value) - value
    np.testing.assert_allclose(advantages(*data, gae_lambda=0.0), td, rtol=1e-5, atol=1e-6)
    value[1:] = next_value[:-1]  # consistent values telescope
    whole = advantages(reward, value, next_value, terminated, truncated, gae_lambda=1.0)
    for n, end in ((0, 3), (1, 4)):
        tail = 0.0 if n == 0 else 0.9 ** (end + 1) * next_value[end, n]
        monte_carlo = sum(0.9**t * reward[t, n] for t in range(end + 1)) + tail
        np.testing.assert_allclose(whole[0, n], monte_carlo - value[0, n], rtol=1e-4, atol=1e-5)


def test_gradients_with_respect_to_numbers_exist():
    """gamma and lambda may be traced."""
    data = [jnp.asarray(x) for x in batch()]
    ended = data[3] | data[4]
    grad = jax.grad(lambda g: generalized_advantages(*data[:4], ended, g, g).sum())(0.9)
    assert np.isfinite(grad)
