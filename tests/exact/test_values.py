"""J, V, Q and occupancies against enumeration, against each other and against published numbers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exact_problems import Paths, ending_mdp, gap, random_mdp, random_policy, random_table
from upslope import exact
from upslope.core.distributions import Categorical
from upslope.environments import DynaMaze, FiniteMDP, ShortCorridor
from upslope.objectives import AverageReward, AverageValue, DiscountedReturn, EpisodicReturn
from upslope.policies import TabularSoftmax

GAMMA = 0.9


def right(p):
    """The corridor's policy: probability p of going right."""
    return TabularSoftmax(jnp.asarray([[0.0, float(np.log(p / (1 - p)))]]))


def test_all_trajectories(x64):
    """The density of trajectories sums to one, and its mean return is J."""
    mdp, policy = random_mdp(0, 3, 2), random_policy(1, 3, 2)
    paths = Paths(mdp, 4)
    density = paths.probability(policy.logits)
    np.testing.assert_allclose(jnp.sum(density), 1.0, rtol=1e-12)
    whole = jnp.sum(density * jnp.sum(paths.rewards(), axis=1))
    np.testing.assert_allclose(exact.value(policy, mdp, EpisodicReturn(4)), whole, rtol=1e-12)
    discount = jnp.asarray(GAMMA ** np.arange(4))[None]
    weighed = jnp.sum(density * jnp.sum(discount * paths.rewards(), axis=1))
    found = exact.value(policy, mdp, DiscountedReturn(GAMMA), horizon=4)
    np.testing.assert_allclose(found, weighed, rtol=1e-12)
    average = exact.value(policy, mdp, AverageReward(), horizon=4)
    np.testing.assert_allclose(average, whole / 4, rtol=1e-12)
    # the other convention, t = 0..H, counts one decision more
    assert gap(exact.value(policy, mdp, EpisodicReturn(5)), whole) > 1e-3


def test_the_discounted_value(x64):
    mdp, pi = random_mdp(2), random_table(3)
    found = exact.value(pi, mdp, DiscountedReturn(GAMMA))
    chain = exact.induced_chain(pi, mdp)
    occupancy = exact.discounted_occupancy(pi, mdp, GAMMA)
    np.testing.assert_allclose(jnp.sum(occupancy), 1.0, rtol=1e-12)
    np.testing.assert_allclose(found, jnp.sum(occupancy * chain.reward) / (1 - GAMMA), rtol=1e-10)
    free = exact.discounted_occupancy(pi, mdp, GAMMA, normalized=False)
    np.testing.assert_allclose(free, occupancy / (1 - GAMMA), rtol=1e-12)
    worst = float(jnp.max(jnp.abs(mdp.reward)))
    for steps in (1, 10, 50):
        cut = exact.value(pi, mdp, DiscountedReturn(GAMMA), horizon=steps)
        assert abs(cut - found) <= GAMMA**steps * worst / (1 - GAMMA)
    assert gap(exact.value(pi, mdp, DiscountedReturn(GAMMA), horizon=10), found) > 1e-3
    by_steps = exact.episodic_occupancy(pi, mdp, 400)
    weights = GAMMA ** np.arange(400)
    np.testing.assert_allclose((1 - GAMMA) * weights @ by_steps, occupancy, rtol=1e-10)


def test_bellman_equations(x64):
    mdp, pi = random_mdp(4), random_table(5)
    p, r = np.asarray(mdp.transition), np.asarray(mdp.reward)
    found = exact.discounted_values(pi, mdp, GAMMA)
    np.testing.assert_allclose(found.action_value, r + GAMMA * p @ found.value, rtol=1e-12)
    np.testing.assert_allclose(np.sum(pi * found.action_value, 1), found.value, rtol=1e-10)
    np.testing.assert_allclose(np.sum(pi * found.advantage, 1), 0, atol=1e-12)
    found = exact.episodic_values(pi, mdp, 6)
    assert found.value.shape == (6, 4)
    assert found.advantage.shape == (6, 4, 3)
    np.testing.assert_allclose(found.action_value[5], r, rtol=1e-12)
    for h in range(5):
        np.testing.assert_allclose(found.action_value[h], r + p @ found.value[h + 1], rtol=1e-12)
    np.testing.assert_allclose(np.sum(pi[None] * found.action_value, 2), found.value, rtol=1e-10)
    found = exact.differential_values(pi, mdp)
    rho = exact.stationary_distribution(exact.induced_chain(pi, mdp).transition)
    np.testing.assert_allclose(rho @ found.value, 0, atol=1e-12)
    expected = r - found.average_reward + p @ found.value
    np.testing.assert_allclose(found.action_value, expected, rtol=1e-12)
    np.testing.assert_allclose(np.sum(pi * found.action_value, 1), found.value, atol=1e-12)


def test_the_average_reward_of_mdptoolbox(x64):
    """The documentation's 3.88523 is where an iteration stopped; the exact number is 35/9."""
    transition = np.array([[[0.5, 0.5], [0.8, 0.2]], [[0, 1], [0.1, 0.9]]]).transpose(1, 0, 2)
    mdp = FiniteMDP(transition, [[5, 10], [-1, 2]], [1.0, 0.0], [False, False])
    pi = np.array([[0.0, 1.0], [1.0, 0.0]])
    found = exact.value(pi, mdp, AverageReward())
    np.testing.assert_allclose(found, 35 / 9, rtol=1e-12)
    np.testing.assert_allclose(found, 3.8852352464, atol=1e-2)
    np.testing.assert_allclose(exact.differential_values(pi, mdp).average_reward, 35 / 9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99])
def test_discounting_an_average_is_futile(x64, gamma):
    """J_avV = J_avR / (1 - gamma), not (1 - gamma) J_avR, and so are the gradients."""
    mdp, policy = random_mdp(6), random_policy(7)
    values = exact.value_and_gradient(policy, mdp, AverageValue(gamma))
    rewards = exact.value_and_gradient(policy, mdp, AverageReward())
    scaled = jax.tree.map(lambda x: x / (1 - gamma), rewards)
    np.testing.assert_allclose(values[0], scaled[0], rtol=1e-10)
    np.testing.assert_allclose(values[1].logits, scaled[1].logits, rtol=1e-8, atol=1e-12)
    if gamma > 0:
        assert gap(values, jax.tree.map(lambda x: x * (1 - gamma), rewards)) > 0.5


@pytest.mark.slow
def test_periodic_chains(x64):
    """Where power iteration runs in circles, the solve finds what the eigenvector says."""
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(exact.stationary_distribution(swap), [0.5, 0.5], rtol=1e-12)
    circling = np.linalg.matrix_power(swap, 1001)[0]
    assert gap(circling, [0.5, 0.5]) > 0.5
    rng = np.random.default_rng(8)
    left, back = rng.dirichlet(np.ones(3), 2), rng.dirichlet(np.ones(2), 3)
    chain = np.block([[np.zeros((2, 2)), left], [back, np.zeros((3, 3))]])
    values, vectors = np.linalg.eig(chain.T)
    vector = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    found = exact.stationary_distribution(chain)
    np.testing.assert_allclose(found, vector / vector.sum(), rtol=1e-10)
    mdp = FiniteMDP(chain[:, None], rng.normal(size=(5, 1)), np.eye(5)[0], np.zeros(5, bool))
    pi = np.ones((5, 1))
    long_run = exact.value(pi, mdp, AverageReward(), horizon=100_000)
    np.testing.assert_allclose(exact.value(pi, mdp, AverageReward()), long_run, atol=1e-4)


def test_transient_states_are_fine(x64):
    """One recurrent class {1, 2} and a way into it: the class alone has weight."""
    chain = np.array([[0.5, 0.5, 0.0], [0.0, 0.2, 0.8], [0.0, 0.6, 0.4]])
    assert exact.recurrent_classes(chain) == [[1, 2]]
    found = exact.stationary_distribution(chain)
    np.testing.assert_allclose(found, [0, 3 / 7, 4 / 7], atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "worth"),
    [
        (0.05, -82.10526315789474),
        (0.5, -12.0),
        (2 - np.sqrt(2), -6 - 4 * np.sqrt(2)),
        (0.95, -44.21052631578947),
    ],
)
def test_the_corridor_that_looks_the_same_everywhere(x64, p, worth):
    world = ShortCorridor()
    found = exact.value(right(p), world, EpisodicReturn())
    np.testing.assert_allclose(found, worth, rtol=1e-10)
    np.testing.assert_allclose(found, (2 * p - 4) / (p * (1 - p)), rtol=1e-10)
    # what a sampler that cuts after 1000 steps estimates
    cut = exact.value(right(p), world, EpisodicReturn(), horizon=1000)
    assert 0 <= cut - found < 1e-2
    table = exact.undiscounted_values(right(p), world)
    np.testing.assert_allclose(table.value[0], worth, rtol=1e-10)
    assert float(table.value[3]) == 0


def test_visits_of_the_corridor(x64):
    np.testing.assert_allclose(exact.expected_visits(right(0.5), ShortCorridor()), [6, 4, 2, 0])
    # three steps do if the cell is seen
    seeing = np.array([[0, 1], [1, 0], [0, 1], [0.5, 0.5]])
    corridor = ShortCorridor().finite_mdp()
    np.testing.assert_allclose(exact.value(seeing, corridor, EpisodicReturn()), -3)


@pytest.mark.slow
def test_undiscounted_values_are_the_limit_of_a_long_horizon(x64):
    mdp, policy = ending_mdp(9), random_policy(10)
    whole = exact.undiscounted_values(policy, mdp)
    long = exact.episodic_values(policy, mdp, 500)
    np.testing.assert_allclose(whole.value, long.value[0], rtol=1e-10)
    np.testing.assert_allclose(whole.action_value, long.action_value[0], rtol=1e-10)
    visits = jnp.sum(exact.episodic_occupancy(policy, mdp, 500), axis=0)
    found = exact.expected_visits(policy, mdp)
    np.testing.assert_allclose(found[:3], visits[:3], rtol=1e-10)
    assert float(found[3]) == 0


@pytest.mark.slow
def test_states_off_the_path_may_never_end(x64):
    """State 2 cannot be reached and loops for ever: J is defined, its own value is not."""
    transition = np.zeros((3, 1, 3))
    transition[0, 0, 1] = transition[1, 0, 1] = transition[2, 0, 2] = 1.0
    mdp = FiniteMDP(transition, [[5.0], [0.0], [1.0]], [1.0, 0.0, 0.0])
    pi = np.ones((3, 1))
    assert float(exact.value(pi, mdp, EpisodicReturn())) == 5.0
    np.testing.assert_allclose(exact.undiscounted_values(pi, mdp).value, [5.0, 0.0, np.nan])
    slope = jax.grad(lambda pi: exact.value(pi, mdp, EpisodicReturn()))(jnp.asarray(pi))
    np.testing.assert_allclose(slope, [[5.0], [0.0], [0.0]])


@pytest.mark.slow
def test_a_maze_is_a_finite_mdp_underneath(x64):
    """The walk that takes the shortest way of 14 steps earns gamma^13."""
    maze = DynaMaze()
    mdp = maze.finite_mdp()
    value = np.zeros(54)
    for _ in range(60):
        value = np.max(mdp.reward + 0.95 * np.asarray(mdp.transition) @ value, axis=1)
    best = np.argmax(mdp.reward + 0.95 * np.asarray(mdp.transition) @ value, axis=1)
    found = exact.value(np.eye(4)[best], maze, DiscountedReturn(0.95))
    np.testing.assert_allclose(found, 0.95**13, rtol=1e-10)


@pytest.mark.slow
def test_single_precision_is_good_to_five_digits():
    def answers():
        mdp, policy = random_mdp(11), random_policy(12)
        return [
            np.asarray(leaf, np.float64)
            for objective in (DiscountedReturn(GAMMA), AverageReward(), EpisodicReturn(20))
            for leaf in jax.tree.leaves(exact.value_and_gradient(policy, mdp, objective))
        ]

    single = answers()
    with jax.enable_x64(True):
        double = answers()
    for found, true in zip(single, double, strict=True):
        assert gap(found, true) < 1e-5


@pytest.mark.slow
def test_any_distribution_with_log_probabilities_will_do(x64):
    """Policies of other libraries, and masked actions, which get no weight and no gradient."""

    class OnlyLogProb(eqx.Module):
        logits: jax.Array

        def log_prob(self, action):
            return jax.nn.log_softmax(self.logits)[action]

    class Foreign(eqx.Module):
        logits: jax.Array

        def __call__(self, state):
            return OnlyLogProb(self.logits[state])

    class Masked(eqx.Module):
        logits: jax.Array

        def __call__(self, state):
            return Categorical(self.logits[state], jnp.asarray([True, False, True]))

    mdp, policy = random_mdp(13), random_policy(14)
    truth = exact.value_and_gradient(policy, mdp, DiscountedReturn(GAMMA))
    found = exact.value_and_gradient(Foreign(policy.logits), mdp, DiscountedReturn(GAMMA))
    assert gap(found, truth) < 1e-10
    masked = Masked(policy.logits)
    table = exact.policy_table(masked, mdp)
    assert not np.any(table[:, 1])
    value, slope = exact.value_and_gradient(masked, mdp, DiscountedReturn(GAMMA))
    np.testing.assert_allclose(value, exact.value(table, mdp, DiscountedReturn(GAMMA)), rtol=1e-12)
    assert np.all(np.isfinite(slope.logits))
    assert not np.any(slope.logits[:, 1])
    natural = exact.natural_gradient(masked, mdp, DiscountedReturn(GAMMA))
    assert np.all(np.isfinite(natural.logits))


def test_a_policy_of_a_run_is_read():
    """Its leaves are NumPy arrays."""
    mdp = random_mdp(0, 3, 2)
    logits = np.log(np.asarray(random_policy(0, 3, 2).logits) ** 2 + 0.1)
    read = exact.policy_table(TabularSoftmax(logits), mdp)
    np.testing.assert_allclose(read, exact.policy_table(TabularSoftmax(jnp.asarray(logits)), mdp))
