"""The popular updates that are not the gradient: how far off, and gradients of nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exact_problems import baxter_bartlett, ending_mdp, gap, random_mdp, random_policy
from upslope import exact
from upslope.objectives import AverageReward, DiscountedReturn
from upslope.policies import TabularSoftmax

GAMMA = 0.7


@pytest.mark.slow
def test_the_system_of_baxter_and_bartlett(x64):
    mdp, policy = baxter_bartlett()
    average, slope = exact.value_and_gradient(policy, mdp, AverageReward())
    np.testing.assert_allclose(average, 0.294197473, rtol=1e-8)
    published = [-0.03272585, -0.03524847, 0.03272585, 0.03524847]
    np.testing.assert_allclose(slope.theta, published, atol=5e-9)
    theorem = exact.policy_gradient_theorem(policy, mdp, AverageReward())
    np.testing.assert_allclose(theorem.theta, slope.theta, rtol=1e-8)


@pytest.mark.parametrize(
    ("beta", "error"),
    [(0.0, 0.0771), (0.4, 0.0477), (0.8, 0.0164), (0.9, 0.00828), (0.95, 0.00416), (0.99, 8.34e-4)],
)
def test_the_price_of_a_discounted_critic(x64, beta, error):
    mdp, policy = baxter_bartlett()
    truth = exact.gradient(policy, mdp, AverageReward()).theta
    found = exact.biased_gradient(policy, mdp, beta).theta
    np.testing.assert_allclose(gap(found, truth), error, rtol=4e-3)
    # rho^T grad P J_beta, with the reward of the state and every factor written out
    pi = exact.policy_table(policy, mdp)
    chain = exact.induced_chain(pi, mdp).transition
    worth = jnp.linalg.solve(jnp.eye(3) - beta * chain, jnp.asarray([0.0, 0.0, 1.0]))
    rho = exact.stationary_distribution(chain)

    def moved(theta):
        table = exact.policy_table(type(policy)(theta, policy.features), mdp)
        return rho @ exact.induced_chain(table, mdp).transition @ worth

    np.testing.assert_allclose(found, jax.grad(moved)(policy.theta), rtol=1e-8)


def asymmetry(update, logits):
    """The antisymmetric part of the Jacobian of a vector field, relative to the whole."""
    n = logits.size
    jacobian = np.asarray(jax.jacobian(update)(logits)).reshape(n, n)
    return np.linalg.norm(jacobian - jacobian.T) / np.linalg.norm(jacobian)


@pytest.mark.slow
def test_updates_without_the_discount_are_no_gradient(x64):
    """A gradient's Jacobian is symmetric. Without gamma^t the update's is not."""
    ending, lasting = ending_mdp(1, 3, 2), random_mdp(2, 3, 2)
    logits = random_policy(3, 3, 2).logits
    fields = {
        "grad J": lambda x: exact.gradient(TabularSoftmax(x), ending, DiscountedReturn(GAMMA)),
        "grad J, cut": lambda x: exact.gradient(
            TabularSoftmax(x), lasting, DiscountedReturn(GAMMA), 6
        ),
        "no weights": lambda x: exact.undiscounted_weights_gradient(
            TabularSoftmax(x), ending, GAMMA
        ),
        "no weights, cut": lambda x: exact.undiscounted_weights_gradient(
            TabularSoftmax(x), lasting, GAMMA, 6
        ),
        "stationary": lambda x: exact.biased_gradient(TabularSoftmax(x), lasting, GAMMA),
    }
    found = {
        name: asymmetry(lambda x, f=field: f(x).logits, logits) for name, field in fields.items()
    }
    assert found["grad J"] < 1e-10
    assert found["grad J, cut"] < 1e-10
    for name in ("no weights", "no weights, cut", "stationary"):
        assert found[name] > 1e-4, name


def test_without_discount_nothing_is_biased(x64):
    """Both updates tend to true gradients as gamma tends to 1."""
    ending, lasting = ending_mdp(1, 3, 2), random_mdp(2, 3, 2)
    policy = random_policy(3, 3, 2)
    close = exact.undiscounted_weights_gradient(policy, ending, 1 - 1e-9)
    truth = exact.gradient(policy, ending, DiscountedReturn(1 - 1e-9))
    assert gap(close, truth) < 1e-6
    close = exact.biased_gradient(policy, lasting, 1 - 1e-6)
    assert gap(close, exact.gradient(policy, lasting, AverageReward())) < 1e-4
    far = exact.undiscounted_weights_gradient(policy, ending, GAMMA)
    assert gap(far, exact.gradient(policy, ending, DiscountedReturn(GAMMA))) > 1e-2
