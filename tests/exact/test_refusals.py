"""What has no exact value is refused, by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exact_problems import ending_mdp, random_mdp, random_policy, random_table
from small_policies import Rememberer
from upslope import exact
from upslope.core.checks import UpslopeError
from upslope.environments import CartPole, FiniteMDP, ShortCorridor
from upslope.objectives import AverageReward, AverageValue, DiscountedReturn, EpisodicReturn
from upslope.policies import TabularSoftmax

MDP, PI = random_mdp(0), random_table(1)
# Two classes, {0, 1} and {3}, with 2 on the way; without reward in 3 that is the end.
SPLIT = np.array(
    [[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.5], [0.0, 0.0, 0.0, 1.0]]
)


def split(start, ends=False):
    end = np.array([False, False, False, ends])
    return FiniteMDP(SPLIT[:, None], [[1.0], [1.0], [1.0], [0.0]], np.eye(4)[start], end)


ONE = np.ones((4, 1))


@pytest.mark.parametrize("gamma", [1.0, -0.1, 2.0, float("nan")])
@pytest.mark.parametrize(
    "function",
    [
        lambda g: exact.discounted_values(PI, MDP, g),
        lambda g: exact.discounted_occupancy(PI, MDP, g),
        lambda g: exact.biased_gradient(PI, MDP, g),
        lambda g: exact.undiscounted_weights_gradient(PI, MDP, g, 5),
        lambda g: exact.performance_difference(PI, PI, MDP, g),
        lambda g: exact.simulation_gap(PI, MDP, MDP, g),
        lambda g: exact.simulation_bound(PI, MDP, MDP, g),
    ],
)
def test_gamma(function, gamma):
    with pytest.raises(UpslopeError, match=r"gamma=.*: must be"):
        function(gamma)


@pytest.mark.parametrize("horizon", [0, -3, 2.5, float("inf")])
def test_horizons(horizon):
    for function in (
        lambda: exact.episodic_values(PI, MDP, horizon),
        lambda: exact.episodic_occupancy(PI, MDP, horizon),
        lambda: exact.value(PI, MDP, DiscountedReturn(0.9), horizon),
        lambda: exact.gradient(PI, MDP, EpisodicReturn(), horizon),
        lambda: exact.policy_gradient_theorem(PI, MDP, EpisodicReturn(), horizon=horizon),
    ):
        with pytest.raises(UpslopeError, match=r"horizon=.*: must be"):
            function()


@pytest.mark.parametrize("objective", [AverageReward(), AverageValue(0.9)])
def test_reducible_chains_under_an_average(objective):
    for function in (exact.value, exact.gradient, exact.policy_gradient_theorem):
        with pytest.raises(UpslopeError, match=r"2 recurrent classes, \{0, 1\}, \{3\}"):
            function(ONE, split(2), objective)
    assert exact.recurrent_classes(SPLIT) == [[0, 1], [3]]
    with pytest.raises(UpslopeError, match=r"\{0, 1\}, \{3\}"):
        exact.stationary_distribution(SPLIT)
    with pytest.raises(UpslopeError, match=r"\{0, 1\}, \{3\}"):
        exact.differential_values(ONE, split(2))
    with pytest.raises(UpslopeError, match=r"64 recurrent classes, \{0\}, .*\{5\}, \.\.\.:"):
        exact.stationary_distribution(np.eye(64))


def test_averages_over_episodes_that_end():
    with pytest.raises(UpslopeError, match=r"ends \(terminal states \[3\]\).*EpisodicReturn"):
        exact.value(random_table(2), ending_mdp(0), AverageReward())


def test_episodes_that_may_not_end():
    for function in (exact.value, exact.gradient, exact.policy_gradient_theorem):
        with pytest.raises(UpslopeError, match=r"From 0, 1, 2 \(states\) the episode does not end"):
            function(ONE, split(2, ends=True), EpisodicReturn())
    for function in (exact.undiscounted_values, exact.expected_visits):
        with pytest.raises(UpslopeError, match="Give a horizon"):
            function(ONE, split(0, ends=True))
    assert float(exact.value(ONE, split(0, ends=True), EpisodicReturn(), horizon=7)) == 7
    # the corridor's deterministic policies never arrive
    for action in (0, 1):
        table = np.tile(np.eye(2)[action], (4, 1))
        with pytest.raises(UpslopeError, match="From 0"):
            exact.value(table, ShortCorridor(), EpisodicReturn())


def test_states_that_are_off_the_path_do_not_matter():
    assert float(exact.value(ONE, split(3, ends=True), EpisodicReturn())) == 0


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (random_table(2, 3, 3), r"table has action probabilities of shape \(3, 3\)"),
        (random_policy(2, 4, 2), r"shape \(4, 2\): it must be \(4, 3\)"),
        (np.full((4, 3), 0.5), r"actions of state 0 .*sum to 1.5: they must be a distribution"),
        (np.tile([1.5, -0.5, 0.0], (4, 1)), "actions of state 0"),
        (np.full((4, 3), np.nan), "actions of state 0"),
        (Rememberer(jnp.zeros((3, 2)), jnp.zeros(3)), "Rememberer has memory"),
    ],
)
def test_policies_that_do_not_fit(policy, message):
    for function in (exact.value, exact.gradient):
        with pytest.raises(UpslopeError, match=message):
            function(policy, MDP, DiscountedReturn(0.9))


def test_worlds_that_are_not_finite():
    with pytest.raises(UpslopeError, match="CartPole is not a finite MDP"):
        exact.value(PI, CartPole(), DiscountedReturn(0.9))


def test_forms_that_do_not_hold():
    policy = random_policy(3)
    for objective, form, horizon, message in (
        (DiscountedReturn(0.9), "episodic", None, "use discounted-occupancy or discounted-sum"),
        (
            DiscountedReturn(0.9),
            "discounted-occupancy",
            5,
            "horizon 5: use discounted-sum",
        ),
        (AverageReward(), "discounted-occupancy", None, "use average-reward"),
        (EpisodicReturn(3), "average-reward", None, "use episodic"),
        (AverageReward(), "avrage-reward", None, "Did you mean 'average-reward'"),
    ):
        with pytest.raises(UpslopeError, match=message):
            exact.policy_gradient_theorem(policy, MDP, objective, form, horizon)
    with pytest.raises(UpslopeError, match=r"traced gamma.*discounted-occupancy"):
        jax.jit(
            lambda g: exact.policy_gradient_theorem(
                policy, MDP, DiscountedReturn(g), "discounted-sum"
            )
        )(0.9)


def test_models_that_do_not_compare():
    with pytest.raises(UpslopeError, match="same states and actions"):
        exact.simulation_gap(PI, MDP, random_mdp(0, 5), 0.9)
    with pytest.raises(UpslopeError, match="rewards differ by up to"):
        exact.simulation_bound(PI, MDP, random_mdp(1), 0.9)
    with pytest.raises(UpslopeError, match=r"outside reward_range=\(0, 1\): widen it"):
        exact.simulation_bound(PI, MDP, MDP, 0.9)
    with pytest.raises(UpslopeError, match="form"):
        exact.simulation_gap(PI, MDP, MDP, 0.9, "mixed")


def test_negative_damping():
    with pytest.raises(UpslopeError, match="damping=-1"):
        exact.natural_gradient(TabularSoftmax(jnp.zeros((4, 3))), MDP, AverageReward(), -1)


@pytest.mark.parametrize("rows", [2, 7])
def test_tables_of_another_number_of_states(rows):
    """JAX would read the last row for states beyond the table."""
    policy = TabularSoftmax(jnp.zeros((rows, 3)))
    with pytest.raises(UpslopeError, match=f"{rows} rows of logits for 4 observations"):
        exact.value(policy, MDP, DiscountedReturn(0.9))
    assert np.isfinite(exact.value(TabularSoftmax(jnp.zeros((4, 3))), MDP, DiscountedReturn(0.9)))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.5, 0.6], [0.5, 0.5]], "row 0 of the transition matrix sums to 1.1"),
        ([[0.5, 0.5], [np.nan, 0.5]], "row 1"),
        ([[1.5, -0.5], [0.5, 0.5]], "row 0"),
        ([[0.5, 0.5]], "must be .S, S."),
    ],
)
def test_what_is_no_chain(matrix, message):
    with pytest.raises(UpslopeError, match=message):
        exact.stationary_distribution(np.asarray(matrix))
