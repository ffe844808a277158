"""The scores of softmax policies in closed form, and what they are special cases of."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from upslope.policies import (
    BernoulliFeatures,
    LinearSoftmax,
    ProductFeatures,
    SoftmaxNetwork,
    TableFeatures,
    TabularSoftmax,
)
from upslope.policies.features import FeatureMap

RNG = np.random.default_rng(0)
X = RNG.normal(size=4)
THETA = RNG.normal(size=15)  # 3 actions, 4 observations and a bias


class Mirrored(FeatureMap):
    def __call__(self, observation):
        x = jnp.append(observation, 1.0)
        return jnp.stack([-x, x])


def score(policy, observation, action):
    return jax.grad(lambda p: p(observation).log_prob(jnp.array(action)))(policy)


def test_linear_score_is_equation_13_9(x64):
    policy = LinearSoftmax(jnp.array(THETA), ProductFeatures(3))
    phi = np.kron(np.eye(3), np.append(X, 1.0))
    pi = scipy.special.softmax(phi @ THETA)
    np.testing.assert_allclose(policy(jnp.array(X)).probs, pi, atol=1e-12)
    for action in range(3):
        expected = phi[action] - pi @ phi
        np.testing.assert_allclose(score(policy, jnp.array(X), action).theta, expected, atol=1e-10)


def test_linear_weighted_loss_is_a_weighted_classifier(x64):
    """The gradient of the policy-gradient loss is that of weighted multinomial cross-entropy."""
    policy = LinearSoftmax(jnp.array(THETA), ProductFeatures(3))
    states, actions = RNG.normal(size=(6, 4)), RNG.integers(0, 3, 6)
    weights = RNG.normal(size=6)

    def loss(policy):
        log_prob = jax.vmap(lambda x, a: policy(x).log_prob(a))
        return -jnp.sum(jnp.array(weights) * log_prob(jnp.array(states), jnp.array(actions)))

    x = np.column_stack([states, np.ones(6)])
    pi = scipy.special.softmax(x @ THETA.reshape(3, 5).T, axis=1)
    classifier = -((np.eye(3)[actions] - pi) * weights[:, None]).T @ x
    np.testing.assert_allclose(jax.grad(loss)(policy).theta, classifier.ravel(), atol=1e-10)


def test_bernoulli_unit_is_a_softmax_of_two_actions(x64):
    theta = THETA[:5]
    policy = LinearSoftmax(jnp.array(theta), BernoulliFeatures())
    x = np.append(X, 1.0)
    p = scipy.special.expit(theta @ x)
    for action in (0, 1):
        np.testing.assert_allclose(
            score(policy, jnp.array(X), action).theta, (action - p) * x, atol=1e-10
        )
    # The seeded error, x for one action and -x for the other, is another unit: twice as steep.
    both_ways = LinearSoftmax(jnp.array(theta), Mirrored())
    assert np.abs(score(both_ways, jnp.array(X), 1).theta - (1 - p) * x).max() > 0.05


def test_tabular_is_linear_with_one_hot_features_and_only_its_row_moves(x64):
    logits = RNG.normal(size=(4, 3))
    tabular = TabularSoftmax(jnp.array(logits))
    features = TableFeatures(np.eye(12).reshape(4, 3, 12))
    linear = LinearSoftmax(jnp.array(logits.ravel()), features)
    state = jnp.array(2)
    np.testing.assert_allclose(tabular(state).probs, linear(state).probs, atol=1e-12)
    gradient = np.asarray(score(tabular, state, 1).logits)
    np.testing.assert_allclose(gradient.ravel(), score(linear, state, 1).theta, atol=1e-12)
    expected = np.zeros((4, 3))
    expected[2] = np.eye(3)[1] - scipy.special.softmax(logits[2])
    np.testing.assert_allclose(gradient, expected, atol=1e-12)


def test_network_without_hidden_layers_is_linear(x64):
    network = SoftmaxNetwork(jax.random.key(0), 4, 3, hidden=(), out_gain=1.0)
    layer = network.body.network.layers[0]
    theta = jnp.concatenate([layer.weight, layer.bias[None, :]]).T.ravel()
    linear = LinearSoftmax(theta, ProductFeatures(3))
    np.testing.assert_allclose(network(jnp.array(X)).probs, linear(jnp.array(X)).probs, atol=1e-6)


def test_discrete_observations_are_one_hot():
    network = SoftmaxNetwork(jax.random.key(0), 5, 3, hidden=(), out_gain=1.0, categories=(2, 3))
    weight = np.asarray(network.body.network.layers[0].weight)
    logits = network(jnp.array([1, 2])).logits
    np.testing.assert_allclose(logits, weight[1] + weight[2 + 2], atol=1e-6)


def test_features_are_carried_not_searched():
    from upslope.core import tree

    features = TableFeatures(np.ones((2, 3, 4)))
    policy = LinearSoftmax(jnp.arange(4.0), features)
    theta, unravel = tree.ravel_parameters(policy)
    np.testing.assert_array_equal(theta, np.arange(4))
    np.testing.assert_array_equal(unravel(theta + 1).features.table, features.table)
    gradient = score(policy, jnp.array(0), 0)
    np.testing.assert_array_equal(gradient.features.table, 0.0)
