"""MuZero's loss on hand numbers: its gradients, their scales, and what they do not reach."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.environments import CartPole
from upslope.models import LatentModel
from upslope.policies import default_policy
from upslope.search.games.muzero import loss as module
from upslope.search.games.muzero.loss import Unrolled, scale_gradient, unroll, unroll_loss
from upslope.search.games.muzero.targets import UnrolledTargets

K, M, A = 2, 3, 2


@pytest.fixture(scope="module")
def model():
    task = CartPole()
    policy = default_policy(
        jax.random.key(0), task.observation_space, task.action_space, hidden=(8,)
    )
    fresh = LatentModel.fresh(
        jax.random.key(1), policy, A, hidden_size=6, hidden=(8,), support_size=3
    )
    # Heads that say something.
    keys = iter(jax.random.split(jax.random.key(2), 100))
    return jax.tree.map(lambda x: x + 0.3 * jax.random.normal(next(keys), x.shape), fresh)


def drawn():
    """Logits, and targets all of which are known."""
    keys = jax.random.split(jax.random.key(3), 6)
    logits = Unrolled(
        policy=jax.random.normal(keys[0], (K + 1, M, A)),
        value=jax.random.normal(keys[1], (K + 1, M, 7)),
        reward=jax.random.normal(keys[2], (K, M, 7)),
    )
    targets = UnrolledTargets(
        value=jax.random.normal(keys[3], (K + 1, M)),
        value_weight=jnp.ones((K + 1, M)),
        policy=jax.nn.softmax(jax.random.normal(keys[4], (K + 1, M, A))),
        policy_weight=jnp.ones((K + 1, M)),
        reward=jax.random.normal(keys[5], (K, M)),
        reward_weight=jnp.ones((K, M)),
    )
    return logits, targets


def test_by_hand(model):
    """Even logits: log 2 for each policy and log 7 for each value and reward."""
    logits, targets = drawn()
    even = jax.tree.map(jnp.zeros_like, logits)
    found = unroll_loss(model, even, targets, jnp.ones(M), 0.25)
    np.testing.assert_allclose(found.policy_loss, 2 * np.log(2), rtol=1e-5)  # root + K steps / K
    np.testing.assert_allclose(found.value_loss, 2 * np.log(7), rtol=1e-5)
    np.testing.assert_allclose(found.reward_loss, np.log(7), rtol=1e-5)
    total = 2 * np.log(2) + 0.25 * 2 * np.log(7) + np.log(7)
    np.testing.assert_allclose(found.loss, total, rtol=1e-5)


def test_gradients_at_the_logits(model):
    """(p - pi) w / M at the root, over K at each further step, times c_v for values."""
    logits, targets = drawn()
    weights = jnp.asarray([1.0, 0.5, 0.0])
    slope = jax.grad(lambda at: unroll_loss(model, at, targets, weights, 0.25).loss)(logits)
    scale = jnp.asarray([1.0, 1 / K, 1 / K])[:, None, None] * (weights / M)[None, :, None]
    expected = scale * (jax.nn.softmax(logits.policy) - targets.policy)
    np.testing.assert_allclose(slope.policy, expected, atol=1e-6)
    two_hot = model.support.two_hot(targets.value)
    expected = 0.25 * scale * (jax.nn.softmax(logits.value) - two_hot)
    np.testing.assert_allclose(slope.value, expected, atol=1e-6)
    two_hot = model.support.two_hot(targets.reward)
    expected = scale[1:] * (jax.nn.softmax(logits.reward) - two_hot)
    np.testing.assert_allclose(slope.reward, expected, atol=1e-6)


def test_what_is_not_known_has_no_gradient(model):
    logits, targets = drawn()
    targets = targets._replace(
        value_weight=targets.value_weight.at[2, 0].set(0.0),
        policy_weight=targets.policy_weight.at[1, 1].set(0.0),
        reward_weight=targets.reward_weight.at[1, 2].set(0.0),
    )
    slope = jax.grad(lambda at: unroll_loss(model, at, targets, jnp.ones(M), 1.0).loss)(logits)
    assert not slope.value[2, 0].any()
    assert not slope.policy[1, 1].any()
    assert not slope.reward[1, 2].any()
    assert slope.value[2, 1].all()


def test_scaling_a_gradient_leaves_the_number():
    value, slope = jax.value_and_grad(lambda x: scale_gradient(x, 0.25) ** 2)(3.0)
    assert (float(value), float(slope)) == (9.0, 1.5)


@pytest.mark.parametrize("between", [0.5, 1.0])
def test_the_gradient_is_halved_at_each_entrance_of_the_dynamics(model, between, monkeypatch):
    """What the last step's policy says to the representation has passed K of them."""
    observation = jax.random.normal(jax.random.key(4), (M, 4))
    actions = jnp.asarray([[0, 1, 1], [1, 0, 1]])

    def said(representation, scale):
        monkeypatch.setattr(module, "BETWEEN_STEPS", scale)
        changed = model.__class__(**{**vars(model), "representation": representation})
        return jnp.sum(jnp.square(unroll(changed, observation, actions).policy[K]))

    leaves = lambda scale: jax.tree.leaves(jax.grad(said)(model.representation, scale))  # noqa: E731
    for found, whole in zip(leaves(between), leaves(1.0), strict=True):
        np.testing.assert_allclose(found, between**K * whole, rtol=1e-4, atol=1e-7)


def test_unrolling_is_stepping(model):
    """The environment's steps along the actions that were taken: action k leads to state k + 1."""
    observation = jax.random.normal(jax.random.key(4), (M, 4))
    actions = jnp.asarray([[0, 1, 1], [1, 0, 1]])
    found = unroll(model, observation, actions)
    support = model.support
    for window in range(M):
        state = model.state_of(observation[window])
        seen = model.observe(state)
        np.testing.assert_allclose(found.policy[0, window], seen.logits, rtol=1e-4, atol=1e-6)
        for k in range(K):
            state, step = model.step(jax.random.key(0), state, actions[k, window])
            np.testing.assert_allclose(
                found.policy[k + 1, window], step.observation.logits, rtol=1e-4, atol=1e-5
            )
            told = support.mean(found.value[k + 1, window])
            np.testing.assert_allclose(told, step.observation.value, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(
                support.mean(found.reward[k, window]), step.reward, rtol=1e-4, atol=1e-5
            )
    late = unroll(model, observation, jnp.roll(actions, 1, axis=0))
    assert not np.allclose(late.policy[1], found.policy[1], atol=1e-4)
