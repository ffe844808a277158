"""The bound on the error is kept, and what was not reached is said."""

import numpy as np
import pytest
from finite_problems import forest, optimal_values, policy_values, random_arrays

import upslope
from upslope.environments import FiniteMDP

METHODS = ("value-iteration", "policy-iteration", "modified-policy-iteration")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("gamma", [0.5, 0.999])
def test_values_and_the_policys_values_are_within_the_bound(dtype, gamma):
    """At every stage of the iteration, up to the reference's own rounding."""
    for seed, sweeps in ((0, 1), (1, 3), (2, 10), (3, 100), (4, 100_000)):
        transition, reward = random_arrays(seed)
        truth = optimal_values(transition, reward, gamma)
        for method in ("value-iteration", "modified-policy-iteration"):
            found = upslope.solve(
                (transition, reward), method, gamma, dtype=dtype, max_iterations=sweeps
            )
            own = policy_values(transition, reward, found.policy, gamma)
            for values in (truth, own):
                error = np.abs(found.values.astype(float) - values).max()
                assert error <= found.bound + 1e-12 * np.abs(truth).max()


def test_the_bound_is_attained():
    """Two states that nothing leaves, one earns and one pays: no smaller bound would be true."""
    transition, reward = np.eye(2)[:, None], np.array([[1.0], [-1.0]])
    truth = np.array([10.0, -10.0])
    for sweeps in (1, 5, 50):
        found = upslope.solve((transition, reward), "value-iteration", 0.9, max_iterations=sweeps)
        error = np.abs(found.values - truth).max()
        assert error == pytest.approx(found.bound, rel=1e-9, abs=1e-13)


def test_the_error_of_value_iteration_contracts_with_every_sweep():
    """Without the constant of the span bound, |v_k - v*| <= gamma^k |v_0 - v*|."""
    gamma = 0.9
    transition, reward = forest()
    transition = np.moveaxis(transition, 0, 1)
    truth = optimal_values(transition, reward, gamma)
    spread = truth - truth.mean()
    for sweeps in range(1, 12):
        found = upslope.solve((transition, reward), "value-iteration", gamma, max_iterations=sweeps)
        left = np.abs(found.values - truth).max()
        assert left <= gamma**sweeps * np.abs(truth).max() + 1e-12
        assert np.abs(found.values - found.values.mean() - spread).max() <= 2 * left + 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_a_cap_that_was_reached_is_said(method):
    transition, reward = random_arrays(5)
    found = upslope.solve((transition, reward), method, 0.99, max_iterations=1, tolerance=1e-12)
    assert not found.converged
    assert "max_iterations=1" in found.reason
    assert "NOT converged" in repr(found)
    assert found.bound > 1e-12


def test_stopping_by_the_change_alone_would_be_wrong():
    """The usual fault: |v' - v| < tolerance leaves an error 1 / (1 - gamma) as large."""
    gamma, tolerance = 0.999, 1e-3
    transition, reward = random_arrays(6)
    reward = reward + 1.0
    truth = optimal_values(transition, reward, gamma)
    values, change = np.zeros(len(reward)), np.inf
    while change > tolerance:
        after = (reward + gamma * transition @ values).max(axis=1)
        change, values = np.abs(after - values).max(), after
    assert np.abs(values - truth).max() > 100 * tolerance
    found = upslope.solve((transition, reward), "value-iteration", gamma, tolerance=tolerance)
    assert found.converged
    assert np.abs(found.values - truth).max() <= tolerance


def test_more_than_rounding_allows_is_refused_in_words():
    transition, reward = random_arrays(7)
    for dtype in ("float32", "float64"):
        found = upslope.solve(
            (transition, reward), "value-iteration", 0.999, tolerance=1e-15, dtype=dtype
        )
        assert not found.converged
        assert "rounding" in found.reason
        assert ("float32" in found.reason) == (dtype == "float32")
        truth = optimal_values(transition, reward, 0.999)
        assert np.abs(found.values - truth).max() <= found.bound + 1e-12 * np.abs(truth).max()


def test_rows_that_sum_to_one_only_in_single_precision():
    """Each is divided by its sum: a row short by 1e-6 costs 1e-6 gamma |v| / (1 - gamma)."""
    gamma = 0.999
    transition, reward = random_arrays(8)
    single = transition.astype(np.float32)
    assert np.abs(single.sum(-1, dtype=np.float64) - 1).max() > 1e-9
    rows = single.astype(np.float64)
    normalised = rows / rows.sum(-1, keepdims=True)
    truth = optimal_values(normalised, reward, gamma)
    mdp = FiniteMDP(single, reward.astype(np.float32), np.full(12, 1 / 12), np.zeros(12, bool))
    truth32 = optimal_values(normalised, reward.astype(np.float32).astype(float), gamma)
    found = upslope.solve(mdp, "policy-iteration", gamma)
    assert np.abs(found.values - truth32).max() <= found.bound < 1e-8
    as_given = upslope.solve((rows, reward), "policy-iteration", gamma)
    assert np.abs(as_given.values - truth).max() <= as_given.bound < 1e-8
    short = optimal_values(rows * (1 - 1e-6), reward, gamma)
    assert np.abs(short - truth).max() > 1e-3


def test_values_far_from_zero_keep_their_precision():
    """The constant is taken out of the iterate: in float32 values near 10^4 are told apart."""
    transition, reward = random_arrays(9)
    found = upslope.solve(
        (transition, reward + 10.0), "value-iteration", 0.999, dtype="float32", tolerance=0.05
    )
    truth = optimal_values(transition, reward + 10.0, 0.999)
    assert truth.min() > 9000
    assert found.converged
    assert np.abs(found.values - truth).max() <= found.bound <= 0.05
