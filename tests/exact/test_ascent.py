"""What ascent along exact gradients must look like where theory says how fast it is."""

import jax
import jax.numpy as jnp
import numpy as np

from exact_problems import bandit
from upslope import exact
from upslope.environments import FiniteMDP
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.policies import TabularSoftmax

REWARDS = (1.0, 0.9, 0.1)
STEP = 0.4


def shortfalls(direction, steps):
    """r* - J_t of the bandit from the uniform policy, t = 0, ..., steps - 1."""
    mdp = bandit(REWARDS)

    def step(policy, _):
        short = 1.0 - exact.value(policy, mdp, EpisodicReturn(1))
        return TabularSoftmax(policy.logits + STEP * direction(policy, mdp).logits), short

    start = TabularSoftmax(jnp.zeros((2, 3)))
    return np.asarray(jax.jit(lambda p: jax.lax.scan(step, p, None, steps)[1])(start))


def test_the_gradient_of_a_softmax_converges_like_one_over_t(x64):
    """C_1 / t <= r* - J <= C_2 / t from 100 to 100 000 steps: no faster, no slower."""
    short = shortfalls(lambda p, mdp: exact.gradient(p, mdp, EpisodicReturn(1)), 100_001)
    times = np.unique(np.logspace(2, 5, 40).astype(int))
    scaled = times * short[times]
    assert scaled.min() > 1
    assert scaled.max() < 30
    late = np.log(short[100_000] / short[20_000]) / np.log(5)
    np.testing.assert_allclose(late, -1, atol=0.02)
    assert np.all(np.diff(short) < 0)


def test_the_natural_gradient_converges_linearly(x64):
    """Multiplicative weights: the shortfall shrinks by exp(-step * gap) a step, gap = 0.1."""
    short = shortfalls(lambda p, mdp: exact.natural_gradient(p, mdp, EpisodicReturn(1)), 400)
    np.testing.assert_allclose(short[300:399] / short[299:398], np.exp(-STEP * 0.1), rtol=1e-4)
    weights = np.exp(STEP * 399 * np.array(REWARDS))
    expected = 1 - np.sum(weights * REWARDS) / np.sum(weights)
    np.testing.assert_allclose(short[399], expected, rtol=1e-8)


def test_a_long_chain_hides_its_reward(x64):
    """Four actions, one of them forward, seldom taken: the gradient vanishes with the length.

    It is below (1/3)^(H/4) though the best policy earns more than (H + 1) / 8 above.
    """
    length = 60
    n_states, gamma = length + 2, length / (length + 1)
    transition = np.zeros((n_states, 4, n_states))
    for state in range(n_states - 1):
        transition[state, 0, state + 1] = 1.0
        transition[state, 1:, max(state - 1, 0)] = 1.0
    transition[-1, :, -1] = 1.0
    reward = np.zeros((n_states, 4))
    reward[-1] = 1.0
    mdp = FiniteMDP(transition, reward, np.eye(n_states)[0], np.zeros(n_states, bool))
    pi = np.tile([0.2, 0.3, 0.3, 0.2], (n_states, 1))
    value, slope = exact.value_and_gradient(pi, mdp, DiscountedReturn(gamma))
    best = exact.value(np.tile([1.0, 0, 0, 0], (n_states, 1)), mdp, DiscountedReturn(gamma))
    assert float(best - value) > (length + 1) / 8
    assert np.linalg.norm(slope) < (1 / 3) ** (length / 4)
    # closer to the reward nothing vanishes
    near = FiniteMDP(transition, reward, np.eye(n_states)[-2], np.zeros(n_states, bool))
    assert np.linalg.norm(exact.gradient(pi, near, DiscountedReturn(gamma))) > 1
