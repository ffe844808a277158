"""Gradients of the average reward: GPOMDP against its own target, TD errors against the truth.

|z| < 4.5 in each coordinate, as everywhere; the seeds are fixed.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from exact_reference import z_scores
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.estimators import GPOMDP, AllAction, GPOMDPStream, TableCritic, TDError
from upslope.exact import (
    biased_gradient,
    differential_values,
    discounted_values,
    episodic_values,
    gradient,
    policy_table,
    stationary_distribution,
)
from upslope.objectives import AverageReward
from upslope.policies import TabularSoftmax
from upslope.sampling.episodes import sample_episodes

# Three states, the reward for stepping into C; the start is stationary, so that nothing is lost.
TO_B, TO_C = [0.0, 0.8, 0.2], [0.0, 0.2, 0.8]
TRANSITION = np.array([[TO_B, TO_C], [[0.8, 0.0, 0.2], [0.2, 0.0, 0.8]], [[0, 0.8, 0.2], TO_C]])
REWARD = TRANSITION[:, :, 2]
LOGITS = np.array([[0.5, -0.5], [-0.7, 0.2], [0.3, 0.3]])
STEPS, STREAMS, BATCHES = 64, 2, 6000


@functools.cache
def problem():
    policy = TabularSoftmax(jnp.asarray(LOGITS, jnp.float32))
    pi = np.asarray(jax.nn.softmax(policy.logits, axis=1), np.float64)
    chain = jnp.asarray(np.einsum("sa,sat->st", pi, TRANSITION))
    start = np.asarray(stationary_distribution(chain), np.float64)
    return FiniteMDP(TRANSITION, REWARD, start / start.sum(), np.zeros(3, bool)), policy


@functools.cache
def sampled():
    mdp, policy = problem()
    sample = jax.vmap(lambda key: sample_episodes(key, mdp, policy, STREAMS, STEPS)[0])
    return jax.jit(sample)(jax.random.split(jax.random.key(5), BATCHES))


def gradients(estimator):
    _, policy = problem()

    def one(streams):
        return estimator.estimate(policy, streams, AverageReward()).gradient.logits

    return np.asarray(jax.jit(jax.vmap(one))(sampled()))


def stream_gradient(beta):
    """What a stream of STEPS steps holds of grad_beta: the sums of its last steps are cut short."""
    mdp, policy = problem()
    left = episodic_values(policy, mdp, STEPS, beta).action_value.mean(axis=0)
    credit = mdp.initial[:, None] * left
    return jax.grad(lambda p: jnp.sum(policy_table(p, mdp) * credit))(policy).logits


@pytest.mark.slow
def test_gpomdp_estimates_its_biased_gradient_and_not_the_true_one():
    """B8. The stream's end leaves a bias of order 1/T besides, computed here."""
    mdp, policy = problem()
    got = gradients(GPOMDP(0.5))
    z, se = z_scores(got, stream_gradient(0.5))
    assert se <= 0.02
    assert np.abs(z).max() < 4.5
    target = biased_gradient(policy, mdp, 0.5).logits
    np.testing.assert_allclose(stream_gradient(0.5), target, atol=2 / STEPS * np.abs(target).max())
    truth = gradient(policy, mdp, AverageReward()).logits
    assert np.abs(z_scores(got, truth)[0]).max() > 8
    assert not GPOMDP(0.5).declaration_for(AverageReward()).unbiased
    assert "0.5" in GPOMDP(0.5).declaration.reason


def test_gpomdp_without_a_trace_misses_all_that_comes_later():
    """beta = 0 sees no reward but the next: exact for its own target, no end is cut."""
    mdp, policy = problem()
    got = gradients(GPOMDP(0.0))
    assert np.abs(z_scores(got, biased_gradient(policy, mdp, 0.0).logits)[0]).max() < 4.5
    assert np.abs(z_scores(got, gradient(policy, mdp, AverageReward()).logits)[0]).max() > 8


@pytest.mark.slow
@pytest.mark.parametrize("end", [None, 3])
def test_the_trace_in_constant_memory_is_the_same_sum(x64, end):
    policy = TabularSoftmax(jnp.asarray(LOGITS))
    stream = jax.tree.map(lambda leaf: leaf[0, :9, :1], sampled()._replace(memory=()))
    stream = stream._replace(reward=stream.reward.astype(float))
    if end is not None:
        stream = stream._replace(truncated=stream.truncated.at[end].set(True))
    want = GPOMDP(0.7).estimate(policy, stream, AverageReward()).gradient
    running = GPOMDPStream.start(policy)
    for t in range(9):
        step = (stream.observation, stream.action, stream.reward, stream.truncated)
        running = running.follow(policy, *(leaf[t, 0] for leaf in step), beta=0.7)
    np.testing.assert_allclose(running.gradient, ravel_pytree(want)[0], rtol=1e-10)
    assert float(running.steps) == 9


def critics():
    mdp, policy = problem()
    values = differential_values(policy, mdp)
    return (
        values.average_reward,
        TableCritic(values.value, True),
        TableCritic(values.action_value, True),
    )


@pytest.mark.slow
@pytest.mark.parametrize("which", ["td-error", "all-action"])
def test_differential_critics_are_unbiased_from_a_stationary_start(which):
    """C3. The true critic and the true average: equality, at every length of the stream."""
    mdp, policy = problem()
    average, value, action_value = critics()
    estimator = TDError(value, average) if which == "td-error" else AllAction(action_value)
    z, se = z_scores(gradients(estimator), gradient(policy, mdp, AverageReward()).logits)
    assert se <= 0.02
    assert np.abs(z).max() < 4.5


def test_a_discounted_critic_is_seen():
    """C3: the discounted Q in place of the differential one gives grad_beta."""
    mdp, policy = problem()
    critic = TableCritic(discounted_values(policy, mdp, 0.5).action_value)
    got = gradients(AllAction(critic))
    assert np.abs(z_scores(got, biased_gradient(policy, mdp, 0.5).logits)[0]).max() < 4.5
    assert np.abs(z_scores(got, gradient(policy, mdp, AverageReward()).logits)[0]).max() > 8
