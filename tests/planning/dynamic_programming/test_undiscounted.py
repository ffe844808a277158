"""Without a discount: what ends is solved with a bound, what may not end is refused in words."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

import upslope
from upslope.core.checks import UpslopeError
from upslope.planning.dynamic_programming.proper import check_proper, first_proper_policy

METHODS = ("policy-iteration", "value-iteration", "modified-policy-iteration")


def random_ending(seed, n_states=9, n_actions=3):
    """P and R where every step costs and every policy ends, in the last state."""
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.full(n_states, 0.3), (n_states, n_actions))
    transition[..., -1] += 0.05
    transition /= transition.sum(axis=-1, keepdims=True)
    transition[-1] = np.eye(n_states)[-1]
    reward = -rng.uniform(0.1, 1.0, (n_states, n_actions))
    reward[-1] = 0.0
    return transition, reward


def program(transition, reward):
    """v* of a problem whose last state is the end."""
    n_states, n_actions, _ = transition.shape
    rows = np.repeat(np.eye(n_states), n_actions, axis=0) - transition.reshape(-1, n_states)
    bounds = [(None, None)] * (n_states - 1) + [(0, 0)]
    found = scipy.optimize.linprog(np.ones(n_states), -rows, -reward.ravel(), bounds=bounds)
    return found.x


def test_shortest_paths_are_within_their_bound():
    for seed in range(5):
        transition, reward = random_ending(seed)
        truth = program(transition, reward)
        for method in METHODS:
            for kept in ({}, {"max_iterations": 3}):
                found = upslope.solve((transition, reward), method, 1.0, **kept)
                error = np.abs(found.values - truth).max()
                assert error <= found.bound + 1e-9
                assert found.converged or kept
    assert not upslope.solve((transition, reward), METHODS[1], 1.0, max_iterations=3).converged


def test_an_improper_first_policy_is_avoided():
    """Action 0 stays where it is at a cost for ever: its evaluation has no solution."""
    transition = np.zeros((4, 2, 4))
    transition[range(4), 0, range(4)] = 1.0
    transition[range(4), 1, [1, 2, 3, 3]] = 1.0
    reward = np.array([[-0.1, -1.0]] * 3 + [[0.0, 0.0]])
    matrices = [scipy.sparse.csr_matrix(transition[:, action]) for action in range(2)]
    for problem in ((transition, reward), (matrices, reward)):
        for method in METHODS:
            found = upslope.solve(problem, method, 1.0)
            assert found.converged
            np.testing.assert_allclose(found.values, [-3.0, -2.0, -1.0, 0.0], atol=1e-9)
            assert found.policy[:3].tolist() == [1, 1, 1]


def row_of_states(moves, reward):
    """An MDP of states in a row from successors [S, A] and rewards [S, A]."""
    n_states, n_actions = len(moves), len(moves[0])
    transition = np.zeros((n_states, n_actions, n_states))
    for state, action in np.ndindex(n_states, n_actions):
        transition[state, action, moves[state][action]] = 1.0
    return transition, np.asarray(reward, float)


@pytest.mark.parametrize(
    ("moves", "reward", "told"),
    [
        ([[1], [0]], [[1], [1]], "without terminal states"),
        ([[1], [2], [2], [3]], [[-1], [-1], [0], [-1]], r"from state 3 no policy reaches"),
        ([[0, 1], [2, 2], [2, 2]], [[0, -1], [-1, -1], [0, 0]], r"in state 0 a policy can avoid"),
        ([[1, 2], [0, 2], [2, 2]], [[1, 0], [-1, 0], [0, 0]], r"in states 0, 1 a policy can avoid"),
        ([[1, 2], [0, 2], [2, 2]], [[3, 0], [-1, 0], [0, 0]], r"in states 0, 1 a policy can avoid"),
    ],
    ids=["endless", "unreachable", "free-loop", "even-cycle", "earning-cycle"],
)
def test_what_need_not_end_is_refused(moves, reward, told):
    with pytest.raises(UpslopeError, match=told):
        upslope.solve(row_of_states(moves, reward), "value-iteration", 1.0)


def test_a_cycle_that_earns_less_than_it_costs_is_no_obstacle():
    found = upslope.solve(
        row_of_states([[1, 2], [0, 2], [2, 2]], [[1, -5], [-2, -3], [0, 0]]), METHODS[0], 1.0
    )
    np.testing.assert_allclose(found.values, [-2.0, -3.0, 0.0], atol=1e-9)


def test_a_lake_without_a_discount_is_refused_and_the_cliff_is_not():
    with pytest.raises(UpslopeError, match="can avoid the end for ever without losing"):
        upslope.solve("FrozenLake-v1", "value-iteration", 1.0)
    found = upslope.solve("CliffWalking-v1", "value-iteration", 1.0)
    assert found.start_value == pytest.approx(-13.0, abs=1e-9)
    assert found.bound < 1e-7


def test_the_first_policy_ends_from_everywhere():
    from upslope.environments import DynaMaze

    mdp = DynaMaze().finite_mdp()
    with pytest.raises(UpslopeError):
        check_proper(mdp, "a test")
    policy, transition = first_proper_policy(mdp), np.asarray(mdp.transition)
    chain = transition[np.arange(54), policy]
    arrived = np.linalg.matrix_power(chain, 54)[:, np.asarray(mdp.terminal)]
    np.testing.assert_allclose(arrived.sum(axis=1), 1.0)
