"""Arrays of a user's own: which axis is which is never guessed, and bad numbers are named."""

import numpy as np
import pytest
import scipy.sparse
from finite_problems import forest, random_arrays, small

import upslope
from upslope.core.checks import UpslopeError

METHOD = "value-iteration"


@pytest.fixture(scope="module")
def problem():
    """P [S, A, S], R [S, A, S] of 12 states and 3 actions, and its values."""
    transition, _ = random_arrays(0)
    reward = np.random.default_rng(1).normal(size=(12, 3, 12))
    expected = (transition * reward).sum(axis=-1)
    return transition, reward, upslope.solve((transition, expected), METHOD, 0.9).values


def test_every_layout_is_the_same_mdp(problem):
    transition, reward, values = problem
    ass, matrices = np.moveaxis(transition, 1, 0), [transition[:, a] for a in range(3)]
    by_action = np.moveaxis(reward, 1, 0)
    for moves in (transition, ass, [scipy.sparse.csr_array(m) for m in matrices]):
        for rewards in (reward, by_action, (transition * reward).sum(axis=-1)):
            found = upslope.solve((moves, rewards), METHOD, 0.9)
            np.testing.assert_allclose(found.values, values, atol=1e-6)
    sparse = [scipy.sparse.csr_matrix(m) for m in matrices]
    theirs = [scipy.sparse.csr_matrix(m) for m in by_action]
    found = upslope.solve((sparse, theirs), METHOD, 0.9)
    np.testing.assert_allclose(found.values, values, atol=1e-6)


def test_rewards_of_states_are_earned_by_being_there():
    transition, _ = random_arrays(2)
    reward = np.arange(12.0)
    of_states = upslope.solve((transition, reward), METHOD, 0.9).values
    repeated = upslope.solve((transition, np.repeat(reward[:, None], 3, 1)), METHOD, 0.9).values
    np.testing.assert_array_equal(of_states, repeated)
    arriving = np.broadcast_to(reward, (12, 3, 12))
    other = upslope.solve((transition, arriving), METHOD, 0.9).values
    assert np.abs(other - of_states).max() > 1.0  # the mistake would be seen


def test_as_many_actions_as_states_has_to_be_said():
    transition, reward = small()
    with pytest.raises(UpslopeError, match=r"transitions='sas' or 'ass'"):
        upslope.solve((transition, reward))
    with pytest.raises(UpslopeError, match=r"rewards='sa'"):
        upslope.solve((transition, reward), transitions="ass")
    with pytest.raises(UpslopeError, match=r"rewards='s'"):
        upslope.solve((transition, reward[:, 0]), transitions="ass")
    with pytest.raises(UpslopeError, match=r"rewards='sas' or 'ass'"):
        upslope.solve((transition, np.zeros((2, 2, 2))), transitions="ass")
    right = upslope.solve((transition, reward), METHOD, 0.9, transitions="ass", rewards="sa")
    wrong = upslope.solve(
        (np.moveaxis(transition, 0, 1), reward), METHOD, 0.9, transitions="ass", rewards="sa"
    )
    assert np.abs(right.values - wrong.values).max() > 1.0


@pytest.mark.parametrize(
    ("reward", "remedy"),
    [
        (np.zeros((3, 12)), "transpose"),
        (np.zeros((12, 12)), "state and successor"),
        (np.zeros(3), "per action"),
        (np.zeros((12, 4)), r"\[S, A\]"),
    ],
)
def test_a_shape_that_fits_nothing_names_the_remedy(reward, remedy):
    transition, _ = random_arrays(0)
    with pytest.raises(UpslopeError, match=remedy):
        upslope.solve((transition, reward))


def test_bad_numbers_are_named():
    transition, reward = random_arrays(0)

    def with_entry(array, index, value):
        array = array.copy()
        array[index] = value
        return array

    for moves, numbers, told in (
        (with_entry(transition, (1, 2, 3), np.nan), reward, r"transition\[1, 2, 3\] = nan"),
        (transition, with_entry(reward, (4, 1), np.inf), r"reward\[4, 1\] = inf"),
        (with_entry(transition, (1, 2, 3), -0.5), reward, "negative"),
        (transition * 0.999, reward, r"sums to 0\.999"),
        ("words", reward, "array of numbers"),
        (np.zeros((3, 4)), reward, r"\[S, A, S\]"),
        (np.zeros((3, 4, 5)), reward, r"\[A, S, S\]"),
        (scipy.sparse.eye(3), reward, "one .* per action"),
    ):
        with pytest.raises(UpslopeError, match=told):
            upslope.solve((moves, numbers))
    for gamma in (-0.1, 1.01, np.nan, "0.9"):
        with pytest.raises(UpslopeError, match="gamma"):
            upslope.solve((transition, reward), METHOD, gamma)
    with pytest.raises(UpslopeError, match="pair"):
        upslope.solve((transition, reward, reward))
    with pytest.raises(UpslopeError, match="belong to arrays"):
        upslope.solve("garnet", rewards="sa")


def test_an_end_that_keeps_earning_is_said_and_can_be_declared():
    """Three states in a row; the last keeps itself and earns 1: for ever, or once."""
    transition = np.zeros((3, 1, 3))
    transition[[0, 1, 2], 0, [1, 2, 2]] = 1.0
    reward = np.array([[0.0], [1.0], [1.0]])
    found = upslope.solve((transition, reward), METHOD, 0.5)
    np.testing.assert_allclose(found.values, [1.0, 2.0, 2.0], atol=1e-7)
    assert any("state 2 cannot be left and earns for ever" in note for note in found.notes)
    declared = upslope.solve((transition, reward), METHOD, 0.5, terminal=[False, False, True])
    np.testing.assert_allclose(declared.values, [0.5, 1.0, 0.0], atol=1e-7)
    assert not declared.notes


def test_the_start_may_be_given():
    transition, reward = forest()
    found = upslope.solve((transition, reward), METHOD, 0.9, initial=[0.0, 0.0, 1.0])
    assert found.start_value == pytest.approx(33.484, abs=1e-6)
    even = upslope.solve((transition, reward), METHOD, 0.9)
    assert even.start_value == pytest.approx((26.244 + 29.484 + 33.484) / 3, abs=1e-6)
