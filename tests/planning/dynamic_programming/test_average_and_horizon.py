"""The average reward, with its bound, and a fixed number of steps."""

import numpy as np
import pytest
from finite_problems import random_arrays

import upslope
from upslope.core.checks import UpslopeError

AVERAGE = "relative-value-iteration"


def stationary(chain):
    """The stationary distribution of a chain of one class."""
    n = len(chain)
    system = np.vstack([chain.T - np.eye(n), np.ones(n)])
    return np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0]


def test_the_average_is_the_policys_own_and_the_best_by_howard():
    transition, reward = random_arrays(0)
    found = upslope.solve((transition, reward), AVERAGE)
    states = np.arange(12)
    own = stationary(transition[states, found.policy]) @ reward[states, found.policy]
    assert found.converged
    assert found.average_reward == pytest.approx(own, abs=found.bound + 1e-12)
    # The optimality equation, which only the best average and its differential values solve.
    right = (reward + transition @ found.values).max(axis=1)
    np.testing.assert_allclose(found.average_reward + found.values, right, atol=4e-8)
    nearly = upslope.solve((transition, reward), "policy-iteration", 0.99999)
    assert found.average_reward == pytest.approx(1e-5 * nearly.start_value, abs=1e-3)


def test_a_periodic_chain_needs_the_aperiodicity_transformation():
    transition, reward = np.array([[[0.0, 1.0]], [[1.0, 0.0]]]), np.array([[1.0], [0.0]])
    found = upslope.solve((transition, reward), AVERAGE)
    assert found.converged
    assert found.average_reward == pytest.approx(0.5, abs=1e-9)
    plain = upslope.solve((transition, reward), AVERAGE, aperiodicity=1.0, max_iterations=2000)
    assert not plain.converged
    assert "aperiodicity below 1" in plain.reason


def test_parts_with_averages_of_their_own_are_named():
    transition, reward = np.eye(2)[:, None], np.array([[1.0], [2.0]])
    found = upslope.solve((transition, reward), AVERAGE, max_iterations=2000)
    assert not found.converged
    assert "2 parts that no action leaves (state 0; state 1)" in found.reason
    assert found.bound == pytest.approx(0.5)


def test_what_has_no_average_is_refused():
    with pytest.raises(UpslopeError, match="ends, in states 5, 7"):
        upslope.solve("FrozenLake-v1", AVERAGE)
    with pytest.raises(UpslopeError, match="no discount"):
        upslope.solve("garnet", AVERAGE, 0.9)


def test_backward_induction_counts_the_steps_that_are_left():
    transition, reward = random_arrays(1)
    found = upslope.solve((transition, reward), "backward-induction", 0.9, horizon=5)
    later = np.zeros(12)
    for step in reversed(range(5)):
        action_values = reward + 0.9 * transition @ later
        np.testing.assert_allclose(found.action_values[step], action_values, atol=1e-12)
        later = action_values.max(axis=1)
        assert (found.policy[step] == action_values.argmax(axis=1)).all()
    assert found.bound < 1e-13
    shifted = reward + 0.9 * transition @ (reward + 0.9 * transition @ later).max(axis=1)
    assert np.abs(found.action_values[0] - shifted).max() > 1e-3  # one step too many is seen
    single = upslope.solve(
        (transition, reward), "backward-induction", 0.9, horizon=5, dtype="float32"
    )
    error = np.abs(single.values - found.values).max()
    assert 0 < error <= single.bound < 1e-5


def test_a_horizon_is_asked_for():
    with pytest.raises(UpslopeError, match="needs a horizon"):
        upslope.solve("garnet", "backward-induction")
    with pytest.raises(UpslopeError, match="horizon"):
        upslope.solve("garnet", "backward-induction", horizon=0)
