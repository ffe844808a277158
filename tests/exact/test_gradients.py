"""grad J by differentiation, by the theorem in each form, by enumeration, by differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exact_problems import (
    Paths,
    bandit,
    baxter_bartlett,
    central_differences,
    ending_mdp,
    gap,
    random_mdp,
    random_policy,
)
from upslope import exact
from upslope.core.checks import UpslopeError
from upslope.environments import ShortCorridor, garnet
from upslope.objectives import AverageReward, AverageValue, DiscountedReturn, EpisodicReturn
from upslope.policies import TabularSoftmax

GAMMA = 0.9
FORMS = [
    ("episodic", EpisodicReturn(5), None, "lasting"),
    ("episodic", EpisodicReturn(), 5, "ending"),
    ("episodic", EpisodicReturn(), None, "ending"),
    ("discounted-sum", DiscountedReturn(GAMMA), None, "lasting"),
    ("discounted-sum", DiscountedReturn(GAMMA), 7, "lasting"),
    ("discounted-occupancy", DiscountedReturn(GAMMA), None, "lasting"),
    ("discounted-occupancy", DiscountedReturn(GAMMA), None, "ending"),
    ("average-reward", AverageReward(), None, "lasting"),
    ("average-reward", AverageValue(GAMMA), None, "lasting"),
    ("episodic", AverageReward(), 6, "lasting"),
    ("episodic", AverageValue(GAMMA), 6, "lasting"),
    ("one-step", EpisodicReturn(1), None, "lasting"),
    ("one-step", DiscountedReturn(0.0), None, "lasting"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("form", "objective", "horizon", "kind"), FORMS)
def test_the_theorem_equals_the_derivative(x64, form, objective, horizon, kind):
    mdp = ending_mdp(0) if kind == "ending" else random_mdp(0)
    policy = random_policy(1)
    truth = exact.gradient(policy, mdp, objective, horizon)
    found = exact.policy_gradient_theorem(policy, mdp, objective, form, horizon)
    assert gap(found, truth) < 1e-8

    def value(logits):
        return exact.value(TabularSoftmax(jnp.asarray(logits)), mdp, objective, horizon)

    differences = central_differences(value, policy.logits)
    np.testing.assert_allclose(truth.logits, differences, rtol=1e-6, atol=1e-8)
    plain = exact.policy_gradient_theorem(policy, mdp, objective, horizon=horizon)
    assert gap(plain, truth) < 1e-8


@pytest.mark.slow
def test_on_sparse_random_mdps(x64):
    for seed in range(3):
        mdp, policy = garnet(jax.random.key(seed), 6, 2, 2), random_policy(seed, 6, 2)
        truth = exact.gradient(policy, mdp, DiscountedReturn(0.99))
        for form in ("discounted-sum", "discounted-occupancy"):
            found = exact.policy_gradient_theorem(policy, mdp, DiscountedReturn(0.99), form)
            assert gap(found, truth) < 1e-8


def test_parameters_shared_by_states(x64):
    mdp, policy = baxter_bartlett()
    for objective in (AverageReward(), DiscountedReturn(GAMMA), EpisodicReturn(9)):
        truth = exact.gradient(policy, mdp, objective)
        assert gap(exact.policy_gradient_theorem(policy, mdp, objective).theta, truth.theta) < 1e-8
        assert not np.any(truth.features)


def test_a_table_is_a_policy_too(x64):
    """Its derivatives are those in every entry on its own, d(s) q(s, a) / (1 - gamma)."""
    mdp, policy = random_mdp(2), random_policy(3)
    pi = exact.policy_table(policy, mdp)
    truth = exact.gradient(pi, mdp, DiscountedReturn(GAMMA))
    occupancy = exact.discounted_occupancy(pi, mdp, GAMMA, normalized=False)
    expected = occupancy[:, None] * exact.discounted_values(pi, mdp, GAMMA).action_value
    np.testing.assert_allclose(truth, expected, rtol=1e-8)
    found = exact.policy_gradient_theorem(pi, mdp, DiscountedReturn(GAMMA))
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.slow
def test_likelihood_ratio_over_all_trajectories(x64):
    mdp, policy = random_mdp(4, 3, 2), random_policy(5, 3, 2)
    paths = Paths(mdp, 4)
    density = paths.probability(policy.logits)
    scores = jax.jacobian(paths.log_scores)(policy.logits)  # [N, H, S, A]
    returns = jnp.sum(paths.rewards(), axis=1)

    def estimate(score):
        return jnp.einsum("n,n,nsa->sa", density, returns, score)

    truth = exact.gradient(policy, mdp, EpisodicReturn(4)).logits
    np.testing.assert_allclose(estimate(jnp.sum(scores, axis=1)), truth, rtol=1e-10, atol=1e-13)
    # the mean of the log-probabilities instead of their sum; one score term missing
    assert gap(estimate(jnp.mean(scores, axis=1)), truth) > 0.5
    assert gap(estimate(jnp.sum(scores[:, 1:], axis=1)), truth) > 1e-2
    # an action earns what follows it: rewards from its own step on are enough
    to_go = jnp.cumsum(paths.rewards()[:, ::-1], axis=1)[:, ::-1]
    causal = jnp.einsum("n,nh,nhsa->sa", density, to_go, scores)
    np.testing.assert_allclose(causal, truth, rtol=1e-10, atol=1e-13)
    shifted = jnp.einsum("n,nh,nhsa->sa", density, to_go - paths.rewards(), scores)
    assert gap(shifted, truth) > 1e-2


def test_one_step_is_the_gradient_bandit(x64):
    rewards = np.random.default_rng(6).normal(size=(3, 4))
    mdp, policy = bandit(rewards), random_policy(7, 4, 4)
    pi = np.asarray(jax.nn.softmax(policy.logits[:3]))
    mean = np.sum(pi * rewards, axis=1, keepdims=True)
    expected = np.vstack([pi * (rewards - mean) / 3, np.zeros(4)])
    for objective in (EpisodicReturn(), DiscountedReturn(GAMMA)):
        found = exact.policy_gradient_theorem(policy, mdp, objective, "one-step")
        np.testing.assert_allclose(found.logits, expected, rtol=1e-10, atol=1e-14)
        truth = exact.gradient(policy, mdp, objective)
        np.testing.assert_allclose(truth.logits, expected, rtol=1e-10, atol=1e-14)


def test_one_step_does_not_hold_for_longer_processes(x64):
    """J is not the mean first reward over the start states, and is refused as such."""
    mdp, policy = random_mdp(8), random_policy(9)
    with pytest.raises(UpslopeError, match="from state 0 the process goes on"):
        exact.policy_gradient_theorem(policy, mdp, DiscountedReturn(GAMMA), "one-step")
    one = exact.policy_gradient_theorem(policy, mdp, EpisodicReturn(1), "one-step")
    assert gap(one, exact.gradient(policy, mdp, DiscountedReturn(GAMMA))) > 1e-2


def test_the_softmax_table_has_a_closed_form(x64):
    mdp, policy = random_mdp(10), random_policy(11)
    pi = exact.policy_table(policy, mdp)
    advantage = exact.discounted_values(pi, mdp, GAMMA).advantage
    truth = exact.gradient(policy, mdp, DiscountedReturn(GAMMA)).logits
    occupancy = exact.discounted_occupancy(pi, mdp, GAMMA)
    expected = occupancy[:, None] * pi * advantage / (1 - GAMMA)
    np.testing.assert_allclose(truth, expected, rtol=1e-8, atol=1e-13)
    assert gap(occupancy[:, None] * pi * advantage, truth) > 0.5  # the factor forgotten
    rho = exact.stationary_distribution(exact.induced_chain(pi, mdp).transition)
    assert gap(rho[:, None] * pi * advantage / (1 - GAMMA), truth) > 1e-3  # the wrong states


def test_the_corridor_by_hand(x64):
    """At p = 1/2: visits (6, 4, 2), length 12, gradient 2; up to that factor it is not equal."""
    world, policy = ShortCorridor(), TabularSoftmax(jnp.zeros((1, 2)))
    truth = exact.gradient(policy, world, EpisodicReturn()).logits
    np.testing.assert_allclose(truth, [[-2, 2]], rtol=1e-10)
    critic = exact.undiscounted_values(policy, world).action_value
    visits = exact.expected_visits(policy, world)
    slope = jnp.asarray([[-0.25, 0.25]])  # of the sigmoid
    np.testing.assert_allclose(jnp.sum(visits[:, None] * critic * slope), 2, rtol=1e-10)
    share = visits / jnp.sum(visits)
    np.testing.assert_allclose(jnp.sum(share[:, None] * critic * slope), 2 / 12, rtol=1e-10)

    def closed(theta):
        p = jax.nn.sigmoid(theta)
        return (2 * p - 4) / (p * (1 - p))

    for theta in (-2.0, 0.3, 1.7):
        policy = TabularSoftmax(jnp.asarray([[0.0, theta]]))
        found = exact.gradient(policy, world, EpisodicReturn()).logits[0, 1]
        np.testing.assert_allclose(found, jax.grad(closed)(theta), rtol=1e-8)
        theorem = exact.policy_gradient_theorem(policy, world, EpisodicReturn()).logits[0, 1]
        np.testing.assert_allclose(theorem, found, rtol=1e-8)
    best = TabularSoftmax(jnp.asarray([[0.0, float(np.log(np.sqrt(2)))]]))  # p = 2 - sqrt 2
    flat = exact.gradient(best, world, EpisodicReturn()).logits
    np.testing.assert_allclose(flat, 0, atol=1e-10)


def test_finite_horizon_values_depend_on_the_step(x64):
    mdp, policy = random_mdp(12), random_policy(13)
    pi = exact.policy_table(policy, mdp)
    truth = exact.gradient(policy, mdp, EpisodicReturn(5)).logits
    critic = exact.episodic_values(pi, mdp, 5).advantage
    visits = exact.episodic_occupancy(pi, mdp, 5)
    right = jnp.einsum("hs,hsa->sa", visits, critic) * pi
    np.testing.assert_allclose(right, truth, rtol=1e-8, atol=1e-13)
    first_everywhere = jnp.einsum("hs,sa->sa", visits, critic[0]) * pi
    assert gap(first_everywhere, truth) > 1e-2


def test_derivatives_go_through_everything(x64):
    """dJ/dR is the occupancy, dJ/dgamma and second derivatives are those of differences."""
    mdp, policy = random_mdp(14), random_policy(15)
    pi = exact.policy_table(policy, mdp)
    slope = jax.grad(lambda mdp: exact.value(policy, mdp, DiscountedReturn(GAMMA)), allow_int=True)
    occupancy = exact.discounted_occupancy(pi, mdp, GAMMA, normalized=False)
    np.testing.assert_allclose(slope(mdp).reward, occupancy[:, None] * pi, rtol=1e-10)
    by_gamma = jax.grad(lambda g: exact.value(policy, mdp, DiscountedReturn(g)))(GAMMA)
    differences = central_differences(
        lambda g: exact.value(policy, mdp, DiscountedReturn(float(g))), np.asarray(GAMMA)
    )
    np.testing.assert_allclose(by_gamma, differences, rtol=1e-6)

    def first(logits):
        return exact.gradient(TabularSoftmax(logits), mdp, DiscountedReturn(GAMMA)).logits[1, 2]

    found = jax.grad(first)(policy.logits)
    differences = central_differences(lambda x: first(jnp.asarray(x)), policy.logits)
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)


def test_it_runs_inside_other_programs(x64):
    mdp, policy = ending_mdp(16), random_policy(17)
    for objective in (EpisodicReturn(), DiscountedReturn(GAMMA)):
        plain = exact.gradient(policy, mdp, objective)
        inside = jax.jit(lambda p, m, o=objective: exact.policy_gradient_theorem(p, m, o))
        assert gap(inside(policy, mdp), plain) < 1e-8
