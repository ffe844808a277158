"""Policies for actions that are numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.policies import (
    BetaNetwork,
    DeterministicLinear,
    DeterministicNetwork,
    GaussianNetwork,
    LinearGaussian,
    SquashedGaussianNetwork,
)
from upslope.policies.heads import ModeHead, PointHead, SoftmaxHead

KEY = jax.random.key(0)
X = np.array([0.5, -1.0, 2.0])


def test_linear_gaussian_scores_are_those_of_exercise_13_4(x64):
    policy = LinearGaussian(KEY, 3, (1,), state_dependent_std=True)
    policy = jax.tree.map(lambda leaf: leaf + 0.1, policy)
    weight, bias = np.asarray(policy.body.weight), np.asarray(policy.body.layer.bias)
    mean, log_std = X @ weight + bias
    action = 0.7
    gradient = jax.grad(lambda p: p(jnp.array(X)).log_prob(jnp.array([action])))(
        policy
    ).body.layer.weight
    in_mean = (action - mean) / np.exp(2 * log_std) * X
    in_std = ((action - mean) ** 2 / np.exp(2 * log_std) - 1) * X
    np.testing.assert_allclose(gradient, np.stack([in_mean, in_std], 1), atol=1e-10)


def test_log_std_is_free_or_depends_on_the_state():
    free = GaussianNetwork(KEY, 3, (2,), (4,), log_std_init=-0.5)
    np.testing.assert_allclose(free(jnp.array(X)).log_std, -0.5)
    bound = GaussianNetwork(KEY, 3, (2,), (4,), log_std_init=-0.5, state_dependent_std=True)
    assert bound.head.log_std is None
    log_std = bound(jnp.array(X)).log_std
    np.testing.assert_allclose(log_std, -0.5, atol=0.1)
    assert np.ptp(np.asarray(log_std)) > 0
    wild = jax.tree.map(lambda leaf: 1e3 * jnp.ones_like(leaf), bound)
    np.testing.assert_allclose(wild(jnp.array(X)).log_std, 2.0)


def test_actions_keep_the_shape_of_the_space():
    low, high = (-1.0, 0.0, -3.0, 1.0), (1.0, 5.0, 3.0, 2.0)
    policies = [
        GaussianNetwork(KEY, 3, (2, 2), (4,)),
        LinearGaussian(KEY, 3, (2, 2)),
        SquashedGaussianNetwork(KEY, 3, low, high, (2, 2), (4,)),
        BetaNetwork(KEY, 3, low, high, (2, 2), (4,)),
        DeterministicNetwork(KEY, 3, PointHead((2, 2), low, high), (4,)),
        DeterministicLinear(KEY, 3, PointHead((2, 2))),
    ]
    for policy in policies:
        draw = lambda k, x, policy=policy: policy(x).sample(k)  # noqa: E731
        assert jax.eval_shape(draw, KEY, jnp.array(X)).shape == (2, 2)


@pytest.mark.slow
def test_bounded_policies_stay_inside():
    low, high = np.array([-1.0, 2.0]), np.array([1.0, 7.0])
    for policy in (
        SquashedGaussianNetwork(KEY, 3, low, high, hidden=(4,), log_std_init=1.0),
        BetaNetwork(KEY, 3, low, high, hidden=(4,)),
        DeterministicNetwork(KEY, 3, PointHead((2,), low, high), (4,), out_gain=50.0),
    ):
        draws = np.asarray(
            jax.jit(jax.vmap(lambda k, p=policy: p(jax.random.normal(k, (3,))).sample(k)))(
                jax.random.split(KEY, 500)
            )
        )
        assert (draws >= low).all()
        assert (draws <= high).all()
        assert (draws.max(0) - draws.min(0) > 0.5 * (high - low)).all()


def test_deterministic_discrete_is_the_argmax():
    policy = DeterministicNetwork(KEY, 3, ModeHead(SoftmaxHead(4)), (5,))
    logits = policy.body.network(jnp.array(X, jnp.float32))
    assert policy(jnp.array(X)).sample(KEY) == jnp.argmax(logits)
    with pytest.raises(UpslopeError, match="gradient-free"):
        policy(jnp.array(X)).log_prob(jnp.array(0))


@pytest.mark.parametrize("bounds", [((-1.0,), (np.inf,)), ((1.0,), (1.0,)), ((0.0, 0.0), (1.0,))])
def test_bad_bounds_are_refused(bounds):
    for policy in (SquashedGaussianNetwork, BetaNetwork):
        with pytest.raises(UpslopeError, match="bounds"):
            policy(KEY, 3, *bounds, (1,))
