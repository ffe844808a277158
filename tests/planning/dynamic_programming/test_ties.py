"""Equally good actions: never exchanged, and all of them named."""

import numpy as np
from finite_problems import policy_values, random_arrays

import upslope


def tied(seed=0):
    """A random MDP in which every action is there twice, with its transitions shuffled in sums."""
    transition, reward = random_arrays(seed)
    return np.concatenate([transition, transition], 1), np.concatenate([reward, reward], 1)


def test_policy_iteration_ends_between_equally_good_policies():
    transition, reward = tied()
    found = upslope.solve((transition, reward), "policy-iteration", 0.9)
    assert found.converged
    assert found.iterations < 10
    assert (found.policy < 3).all()  # the twin of an action is no improvement


def test_an_improvement_that_takes_any_larger_number_cycles():
    """The fault, seeded: with noise of rounding in q a bare argmax exchanges twins for ever."""
    transition, reward = tied()
    rng = np.random.default_rng(0)
    policy, seen = np.zeros(12, int), []
    for _ in range(20):
        values = policy_values(transition, reward, policy, 0.9)
        noise = 1e-13 * rng.normal(size=reward.shape)
        after = (reward + 0.9 * transition @ values + noise).argmax(axis=1)
        seen.append((after != policy).any())
        policy = after
    assert all(seen)


def test_each_improvement_is_one():
    """Values of the policies on the way never fall, and the last policy's are the largest."""
    transition, reward = random_arrays(1)
    before = np.full(12, -np.inf)
    for cap in range(1, 8):
        found = upslope.solve((transition, reward), "policy-iteration", 0.95, max_iterations=cap)
        values = policy_values(transition, reward, found.policy, 0.95)
        assert (values >= before - 1e-10).all()
        before = values
        if found.converged:
            break
    assert found.converged


def test_all_optimal_actions_are_named_and_no_others():
    transition, reward = tied(2)
    for method in ("policy-iteration", "value-iteration", "modified-policy-iteration"):
        found = upslope.solve((transition, reward), method, 0.9)
        assert (found.optimal_actions.sum(axis=1) == 2).all()
        assert found.optimal_actions[np.arange(12), found.policy].all()
        assert (found.optimal_actions[:, :3] == found.optimal_actions[:, 3:]).all()


def test_methods_choose_the_same_of_equally_good_actions():
    problem = tied(3)
    chosen = [
        upslope.solve(problem, method, 0.9).policy.tolist()
        for method in ("value-iteration", "modified-policy-iteration", "policy-iteration")
    ]
    assert chosen[0] == chosen[1] == chosen[2]
