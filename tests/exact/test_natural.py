"""Fisher matrices, natural gradients and compatible approximations; Kakade's plateau."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from exact_problems import (
    baxter_bartlett,
    ending_mdp,
    gap,
    kakade_plateau,
    random_mdp,
    random_policy,
)
from upslope import exact
from upslope.core.tree import ravel_parameters
from upslope.environments import ShortCorridor
from upslope.exact.natural import decisions
from upslope.objectives import AverageReward, AverageValue, DiscountedReturn, EpisodicReturn
from upslope.policies import TabularSoftmax

GAMMA = 0.8
CASES = [
    (DiscountedReturn(GAMMA), "lasting", 1 / (1 - GAMMA)),
    (AverageReward(), "lasting", 1.0),
    (AverageValue(GAMMA), "lasting", 1 / (1 - GAMMA)),
    (EpisodicReturn(6), "lasting", 6.0),
    (EpisodicReturn(), "ending", None),
]


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "kind", "visits"), CASES)
def test_compatible_weights_are_the_natural_gradient(x64, objective, kind, visits):
    mdp = ending_mdp(0) if kind == "ending" else random_mdp(0)
    policy = random_policy(1)
    if visits is None:
        visits = float(jnp.sum(exact.expected_visits(policy, mdp)))
    weights = exact.compatible_weights(policy, mdp, objective)
    natural = exact.natural_gradient(policy, mdp, objective).logits.ravel()
    np.testing.assert_allclose(visits * weights, natural, rtol=1e-8, atol=1e-10)
    fisher = exact.fisher_matrix(policy, mdp, objective)
    slope = exact.gradient(policy, mdp, objective).logits.ravel()
    np.testing.assert_allclose(fisher @ natural, slope, rtol=1e-8, atol=1e-11)
    inverse = np.linalg.pinv(fisher, rcond=1e-10, hermitian=True)
    np.testing.assert_allclose(inverse @ slope, natural, rtol=1e-8, atol=1e-10)
    # compatible: with w . score in the place of A the theorem stays exact
    found = decisions(policy, mdp, objective)
    credit = found.weight * (found.score @ weights)
    np.testing.assert_allclose(visits * credit @ found.score, slope, rtol=1e-8, atol=1e-11)
    # and other weights are not
    credit = found.weight * (found.score @ (weights + 0.1 * jnp.arange(weights.size)))
    assert gap(visits * credit @ found.score, slope) > 1e-3


@pytest.mark.slow
def test_the_fisher_matrix_is_the_mean_hessian_of_the_surprise(x64):
    """F = E[score score^T] = -E[Hessian log pi]; the score alone has mean 0."""
    mdp, policy = baxter_bartlett()
    objective = DiscountedReturn(GAMMA)
    found = decisions(policy, mdp, objective)
    width = policy.theta.size  # the features follow in the vector, with scores 0
    fisher = exact.fisher_matrix(policy, mdp, objective)
    np.testing.assert_allclose(found.weight @ found.score, 0, atol=1e-12)
    assert gap(found.score.T @ found.weight, fisher[0]) > 0.5

    def surprise(theta):
        table = exact.log_policy_table(type(policy)(theta, policy.features), mdp)
        return -jnp.sum(found.weight * table.ravel())

    hessian = jax.hessian(surprise)(policy.theta)
    np.testing.assert_allclose(fisher[:width, :width], hessian, rtol=1e-8, atol=1e-12)
    assert not np.any(fisher[width:])


def test_natural_steps_of_a_softmax_are_multiplicative_weights(x64):
    mdp, policy = random_mdp(2), random_policy(3)
    pi = exact.policy_table(policy, mdp)
    natural = exact.natural_gradient(policy, mdp, DiscountedReturn(GAMMA))
    stepped = exact.policy_table(TabularSoftmax(policy.logits + 0.3 * natural.logits), mdp)
    advantage = exact.discounted_values(pi, mdp, GAMMA).advantage
    expected = pi * jnp.exp(0.3 * advantage / (1 - GAMMA))
    expected /= jnp.sum(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(stepped, expected, rtol=1e-8)
    plain = exact.gradient(policy, mdp, DiscountedReturn(GAMMA))
    vanilla = exact.policy_table(TabularSoftmax(policy.logits + 0.3 * plain.logits), mdp)
    assert gap(vanilla, expected) > 1e-2


def test_natural_gradients_do_not_see_the_parameterisation(x64):
    """Stretched parameters: the natural step changes the policy the same way, the plain not."""

    class Stretched(eqx.Module):
        numbers: jax.Array

        def __call__(self, state):
            return TabularSoftmax(self.numbers * jnp.asarray([[1.0, 3.0]]))(state)

    mdp, objective = random_mdp(4, 3, 2), DiscountedReturn(GAMMA)
    plain = random_policy(5, 3, 2)
    stretched = Stretched(plain.logits / jnp.asarray([[1.0, 3.0]]))

    def change(policy, direction):
        _, motion = jax.jvp(lambda p: exact.policy_table(p, mdp), (policy,), (direction,))
        return motion

    moves = [change(p, exact.natural_gradient(p, mdp, objective)) for p in (plain, stretched)]
    np.testing.assert_allclose(moves[0], moves[1], rtol=1e-8, atol=1e-12)
    moves = [change(p, exact.gradient(p, mdp, objective)) for p in (plain, stretched)]
    assert gap(moves[0], moves[1]) > 1e-2


def test_damping(x64):
    mdp, policy = random_mdp(6), random_policy(7)
    fisher = np.asarray(exact.fisher_matrix(policy, mdp, AverageReward()))
    slope, _ = ravel_parameters(exact.gradient(policy, mdp, AverageReward()))
    found = exact.natural_gradient(policy, mdp, AverageReward(), damping=1e-3)
    expected = np.linalg.solve(fisher + 1e-3 * np.eye(12), slope)
    np.testing.assert_allclose(found.logits.ravel(), expected, rtol=1e-8)


def test_aliased_states_share_their_fisher_matrix(x64):
    world, policy = ShortCorridor(), TabularSoftmax(jnp.zeros((1, 2)))
    fisher = exact.fisher_matrix(policy, world, EpisodicReturn())
    np.testing.assert_allclose(fisher, 0.25 * np.array([[1, -1], [-1, 1]]), atol=1e-12)
    natural = exact.natural_gradient(policy, world, EpisodicReturn()).logits
    np.testing.assert_allclose(natural, [[-4, 4]], rtol=1e-10)


def flow(direction, policy, mdp, steps, dt):
    """J along theta' = direction(theta) and the stationary weight of the second state."""

    def step(policy, _):
        value = exact.value(policy, mdp, AverageReward())
        rho = exact.stationary_distribution(exact.induced_chain(policy, mdp).transition)
        moved = policy.theta + dt * direction(policy).theta
        return type(policy)(moved, policy.features), (value, rho[1])

    _, found = jax.jit(lambda p: jax.lax.scan(step, p, None, steps))(policy)
    return [np.asarray(x) for x in found]


@pytest.mark.slow
def test_the_plateau_of_kakade(x64):
    mdp, policy = kakade_plateau()
    value, slope = exact.value_and_gradient(policy, mdp, AverageReward())
    np.testing.assert_allclose(value, 0.690909, atol=5e-7)
    np.testing.assert_allclose(slope.theta, [0.202314, 0.0238017], rtol=2e-6)
    vanilla, second = flow(
        lambda p: exact.gradient(p, mdp, AverageReward()), policy, mdp, 6000, 0.02
    )
    # 105.40 by an adaptive integrator of order 5 on the closed form; 105.7 is on record
    np.testing.assert_allclose(0.02 * np.argmax(vanilla > 0.99), 105.4, atol=0.1)
    assert vanilla.max() < 1.0  # the plateau: half of what the best policy earns
    assert second[-1] < 0.01

    def natural(policy):
        def score(theta):
            return jnp.where(possible, exact.log_policy_table(at(theta), mdp), 0.0).ravel()

        at = lambda theta: type(policy)(theta, policy.features)  # noqa: E731
        possible = jnp.ones((2, 2), bool)
        scores = jax.jacobian(score)(policy.theta)
        weight = decisions(policy, mdp, AverageReward()).weight
        fisher = scores.T @ (weight[:, None] * scores) + 1e-3 * jnp.eye(2)
        slope = exact.gradient(policy, mdp, AverageReward()).theta
        return type(policy)(jnp.linalg.solve(fisher, slope), policy.features)

    quick, second = flow(natural, policy, mdp, 3000, 0.001)
    np.testing.assert_allclose(0.001 * np.argmax(quick > 1.5), 2.25, atol=0.01)
    np.testing.assert_allclose(second.min(), 0.0525, atol=2e-4)
    library = ravel_pytree(exact.natural_gradient(policy, mdp, AverageReward(), 1e-3))[0][:2]
    np.testing.assert_allclose(library, natural(policy).theta, rtol=1e-8)


@pytest.mark.slow
def test_nothing_is_decided_at_the_end(x64):
    """The discounted occupancy gathers at the terminal state; the Fisher matrix leaves it out."""
    mdp, policy = ending_mdp(8), random_policy(9)
    fisher = np.asarray(exact.fisher_matrix(policy, mdp, DiscountedReturn(GAMMA)))
    assert not fisher[9:].any()
    occupancy = np.asarray(exact.discounted_occupancy(policy, mdp, GAMMA))
    assert occupancy[3] > 0.1
    pi = np.asarray(exact.policy_table(policy, mdp))
    share = occupancy[:3] / occupancy[:3].sum()
    expected = np.sum(share * (1 - np.sum(pi[:3] ** 2, axis=1)))  # its trace
    np.testing.assert_allclose(np.trace(fisher), expected, rtol=1e-10)
