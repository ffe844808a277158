"""Recurrent policies: their memory, and that it starts anew with every episode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core import tree
from upslope.core.checks import UpslopeError
from upslope.core.moments import Moments
from upslope.policies import (
    NormalizedPolicy,
    RecurrentGaussian,
    RecurrentSoftmax,
    SoftmaxNetwork,
)
from upslope.policies.critics import state_value
from upslope.policies.policy import respond
from upslope.policies.unroll import unroll

KEY = jax.random.key(0)


def test_the_action_depends_on_the_history():
    policy = RecurrentSoftmax(KEY, 2, 3, (4, 5), out_gain=1.0)
    x = jnp.ones(2)
    first, memory = policy(x, policy.initial_memory())
    second, _ = policy(x, memory)
    assert memory.shape == (5,)
    assert np.abs(np.asarray(first.logits - second.logits)).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("normalised", [False, True])
def test_the_memory_starts_anew_after_an_episode(normalised):
    policy = RecurrentGaussian(KEY, 2, (1,), (4, 5), out_gain=1.0)
    value = state_value(KEY, policy)
    if normalised:
        policy = NormalizedPolicy(policy, Moments.zeros((2,)))
    observation = jax.random.normal(KEY, (6, 1, 2))
    ended = jnp.array([False, False, True, False, False, False])[:, None]
    for model in (policy, value):
        fresh = model.initial_memory()[None]
        whole, memory = unroll(model, observation, ended, fresh)
        head, _ = unroll(model, observation[:3], ended[:3], fresh)
        tail, last = unroll(model, observation[3:], ended[3:], fresh)
        for both, one, two in zip(*map(jax.tree.leaves, (whole, head, tail)), strict=True):
            np.testing.assert_allclose(both, jnp.concatenate([one, two]), atol=1e-6)
        np.testing.assert_allclose(memory, last, atol=1e-6)
        assert np.abs(np.asarray(memory)).max() > 1e-3
        never, _ = unroll(model, observation, jnp.zeros_like(ended), fresh)
        leaf = jax.tree.leaves(whole)[0] - jax.tree.leaves(never)[0]
        assert np.abs(np.asarray(leaf)).max() > 1e-4


def test_normalised_policies_have_the_memory_of_the_inner_one():
    moments = Moments.of(jax.random.normal(KEY, (50, 2)) * 3 + 1)
    inner = RecurrentSoftmax(KEY, 2, 3, (4, 5))
    policy = NormalizedPolicy(inner, moments)
    assert policy.has_memory
    assert not NormalizedPolicy(SoftmaxNetwork(KEY, 2, 3), moments).has_memory
    x = jnp.array([2.0, -1.0])
    said, memory = respond(policy, x, policy.initial_memory())
    expected, other = respond(inner, moments.normalize(x), inner.initial_memory())
    np.testing.assert_array_equal(said.logits, expected.logits)
    np.testing.assert_array_equal(memory, other)


@pytest.mark.slow
def test_moments_are_carried_observed_and_not_searched():
    policy = NormalizedPolicy(SoftmaxNetwork(KEY, 2, 3, (4,), out_gain=1.0), Moments.zeros((2,)))
    theta, _ = tree.ravel_parameters(policy)
    assert theta.size == (2 * 4 + 4) + (4 * 3 + 3)
    batch = jax.random.normal(KEY, (100, 2)) * jnp.array([[2.0, 5.0]]) + 3.0
    seen = policy.observe(Moments.of(batch))
    np.testing.assert_array_equal(tree.ravel_parameters(seen)[0], theta)
    again = seen.observe(Moments.of(batch[:50])).moments.count
    assert (seen.moments.count, again) == (100, 150)
    standard = np.asarray(jax.vmap(seen.normalize)(batch))
    np.testing.assert_allclose(standard.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(standard.std(0), 1, atol=1e-4)
    gradient = jax.grad(lambda p: p(batch[0]).log_prob(jnp.array(1)))(seen)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient.moments))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(gradient.policy))


def test_two_sizes_are_needed():
    with pytest.raises(UpslopeError, match="two sizes"):
        RecurrentSoftmax(KEY, 2, 3, (4,))
