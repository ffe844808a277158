"""Value, policy and modified policy iteration, linear programming and other libraries agree."""

import itertools

import numpy as np
import pytest
import scipy.optimize
from finite_problems import (
    book_grid,
    forest,
    gambler,
    optimal_values,
    policy_values,
    random_arrays,
    small,
    two_state,
)

import upslope

METHODS = ("value-iteration", "policy-iteration", "modified-policy-iteration")


def linear_program(transition, reward, gamma):
    """v*, the smallest v that no action raises."""
    n_states, n_actions, _ = transition.shape
    rows = np.repeat(np.eye(n_states), n_actions, axis=0) - gamma * transition.reshape(-1, n_states)
    found = scipy.optimize.linprog(
        np.ones(n_states), -rows, -reward.ravel(), bounds=(None, None), method="highs-ds"
    )
    return found.x


@pytest.mark.slow
def test_three_methods_and_a_linear_program_agree_on_random_mdps():
    """100 Garnets; whoever drops gamma from the backup is 1e-8 away from none of them."""
    wrong = []
    for seed in range(100):
        transition, reward = random_arrays(seed)
        gamma = 0.95 if seed % 2 else 0.6
        truth = linear_program(transition, reward, gamma)
        for method in METHODS:
            found = upslope.solve((transition, reward), method, gamma, tolerance=1e-9)
            assert found.converged
            np.testing.assert_allclose(found.values, truth, atol=1e-8, rtol=0)
            own = policy_values(transition, reward, found.policy, gamma)
            np.testing.assert_allclose(own, truth, atol=1e-8, rtol=0)
        shifted = (reward + gamma * transition @ (truth + 1e-7)).max(axis=1)
        wrong.append(np.abs(shifted - truth).max() < 1e-8)
    assert not any(wrong)


def test_sparse_lists_and_dense_arrays_have_the_same_solution():
    transition, reward = random_arrays(3)
    matrices = [scipy.sparse.csr_matrix(transition[:, action]) for action in range(3)]
    dense = upslope.solve((transition, reward), "modified-policy-iteration", 0.9)
    for method in METHODS:
        sparse = upslope.solve((matrices, reward), method, 0.9)
        np.testing.assert_allclose(sparse.values, dense.values, atol=1e-7)
        np.testing.assert_allclose(sparse.action_values, dense.action_values, atol=1e-7)
        assert (sparse.policy == dense.policy).all()


@pytest.mark.parametrize("sweeps", ["gauss-seidel", "prioritized"])
def test_other_orders_of_updates_have_the_same_solution(sweeps):
    transition, reward = random_arrays(4)
    truth = optimal_values(transition, reward, 0.9)
    matrices = [scipy.sparse.csr_matrix(transition[:, action]) for action in range(3)]
    for problem in ((transition, reward), (matrices, reward)):
        found = upslope.solve(problem, "value-iteration", 0.9, sweeps=sweeps, tolerance=1e-9)
        assert found.converged
        assert sweeps in found.method
        np.testing.assert_allclose(found.values, truth, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_published_answers(method):
    """Values of policies in pymdptoolbox's and quantecon's documentation and in the book."""

    def values(problem, gamma, **layout):
        return upslope.solve(problem, method, gamma, tolerance=1e-9, **layout).values

    # The documented V of pymdptoolbox's value iteration, (5.93, 9.39, 13.39), is an early iterate.
    found = values(forest(), 0.96)
    np.testing.assert_allclose(found, [74.6496, 78.1056, 82.1056], atol=1e-8)
    found = values(small(), 0.9, transitions="ass", rewards="sa")
    np.testing.assert_allclose(found, [42.4418604651, 36.0465116279], atol=1e-9)
    found = values(two_state(), 0.95, transitions="sas", rewards="sa")
    np.testing.assert_allclose(found, [-60 / 7, -20.0], atol=1e-8)
    found = values(book_grid(), 0.9)
    np.testing.assert_allclose(np.round(found[:5], 1), [22.0, 24.4, 22.0, 19.4, 17.5])


def test_without_a_discount_the_gambler_plays_boldly():
    transition, reward = gambler()
    for method in METHODS:
        found = upslope.solve((transition, reward), method, 1.0)
        assert found.converged
        np.testing.assert_allclose(found.values[[25, 50, 75]], [0.16, 0.4, 0.64], atol=1e-9)
        assert found.values[0] == found.values[100] == 0.0


def test_a_discount_of_zero_leaves_the_largest_reward():
    reward = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    transition = np.full((3, 2, 3), 1 / 3)
    for method in METHODS:
        found = upslope.solve((transition, reward), method, 0.0)
        np.testing.assert_allclose(found.values, 1.0)
        assert found.policy.tolist() == [1, 0, 1]


@pytest.mark.slow
def test_quantecon_and_pymdptoolbox_find_the_same_policies():
    """Their policies, evaluated by a linear solve: their values are stopped iterates."""
    markov = pytest.importorskip("quantecon.markov")
    toolbox = pytest.importorskip("mdptoolbox.mdp")
    for seed, gamma in itertools.product(range(10), (0.6, 0.95)):
        transition, reward = random_arrays(seed)
        found = upslope.solve((transition, reward), "policy-iteration", gamma)
        theirs = markov.DiscreteDP(reward, transition, gamma).solve(method="policy_iteration")
        value = policy_values(transition, reward, np.asarray(theirs.sigma), gamma)
        np.testing.assert_allclose(found.values, value, atol=1e-8)
        other = toolbox.PolicyIteration(np.moveaxis(transition, 1, 0).copy(), reward, gamma)
        other.run()
        value = policy_values(transition, reward, np.asarray(other.policy), gamma)
        np.testing.assert_allclose(found.values, value, atol=1e-8)
