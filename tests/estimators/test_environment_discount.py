"""An environment's own discount in every estimator, by enumeration: exact, so any bias is seen.

The truth is the gradient of sum_tau P(tau) R(tau), with R added up by plain loops.
"""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from enumerated_episodes import (
    all_episodes,
    expectation,
    expected_gradient,
    likelihood_gradient,
    probabilities,
    the_same,
)
from small_episodes import GAMMA, LOGITS, MDPS, OTHER_LOGITS
from small_policies import Table
from upslope.core.checks import UpslopeError
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.estimators import (
    GPOMDP,
    ActionDependentBaseline,
    AllAction,
    GeneralizedAdvantage,
    GroupRelative,
    LikelihoodRatio,
    NoBaseline,
    NStep,
    OffPolicyLikelihoodRatio,
    OptimalBaselineLikelihoodRatio,
    TableCritic,
    TDError,
    TimeBaseline,
    TimeTableCritic,
    TrajectoryDiCE,
    ValueBaseline,
    VTraceGradient,
)
from upslope.exact import episodic_values, gradient, policy_table
from upslope.objectives import AverageReward, AverageValue, DiscountedReturn, EpisodicReturn

H = 3
OBJECTIVES = {"episodic": EpisodicReturn(), "discounted": DiscountedReturn(GAMMA)}
TOLERANCE = 1e-7  # the MDP's own arrays are float32
WRONG_V = TableCritic(np.array([1.0, -2.0, 0.5, 3.0]))
WRONG_Q = TableCritic(np.array([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0], [0.0, 0.0]]))


def random_discount():
    """The probability of going on, [S, A, S'], nowhere 0 or 1."""
    return np.random.default_rng(0).uniform(0.2, 0.9, (4, 2, 4))


# The probability of going on; the sign of an alternating zero-sum game; both and a zero.
DISCOUNTS = {
    "continuation": random_discount(),
    "alternating": -np.ones((4, 2, 4)),
    "mixed": np.where(random_discount() < 0.35, 0.0, random_discount() - 0.7),
}


@pytest.fixture(autouse=True)
def double(x64):
    """Every identity here is exact."""


def policy():
    return Table(jnp.asarray(LOGITS))


def behaviour():
    return Table(jnp.asarray(OTHER_LOGITS))


@functools.cache
def mdp():
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64) if leaf.dtype == jnp.float32 else leaf,
        MDPS["ending"],
    )


@functools.cache
def undiscounted_episodes():
    return all_episodes(mdp(), H)


@functools.cache
def episodes(kind):
    """All episodes with the discount of every step, and their dynamics' probabilities."""
    found, dynamics = undiscounted_episodes()
    steps = (np.asarray(x) for x in (found.observation, found.action, found.next_observation))
    discount = np.where(np.asarray(found.valid), DISCOUNTS[kind][*steps], 0.0)
    return found._replace(discount=jnp.asarray(discount)), dynamics


@functools.cache
def returns(kind, gamma):
    """R of every episode, [K], by loops."""
    found, _ = episodes(kind)
    reward, discount, valid = (
        np.asarray(x)[..., 0] for x in (found.reward, found.discount, found.valid)
    )
    totals = np.zeros(len(reward))
    for k in range(len(reward)):
        weight = 1.0
        for t in range(H):
            if valid[k, t]:
                totals[k] += weight * reward[k, t]
                weight *= gamma * discount[k, t]
    return totals


def truth(kind, objective):
    totals = returns(kind, float(objective.discount))
    return np.asarray(likelihood_gradient(policy().logits, Table, *episodes(kind), totals))


@functools.cache
def action_probabilities():
    return np.asarray(policy_table(policy(), mdp()))


def critics(kind, objective):
    """V_h [H, S] and Q_h [H, S, A] by backward recursion with the discount of each step."""
    transition, reward = (np.asarray(x, float) for x in (mdp().transition, mdp().reward))
    pi = action_probabilities()
    gone_on = float(objective.discount) * DISCOUNTS[kind] * transition
    later, value, action_value = np.zeros(4), [], []
    for _ in range(H):
        q = reward + gone_on @ later
        later = np.sum(pi * q, axis=1) * ~np.asarray(mdp().terminal)
        value.insert(0, later)
        action_value.insert(0, q)
    return (
        TimeTableCritic(jnp.asarray(np.stack(value)), exact=True),
        TimeTableCritic(jnp.asarray(np.stack(action_value)), exact=True),
    )


def mean_gradient(estimator, kind, objective, change=the_same, of=None):
    mean = expected_gradient(
        estimator, policy(), objective, *episodes(kind), behaviour=of, change=change
    )
    return np.asarray(mean)


ESTIMATORS = {
    "reinforce": lambda v, q: LikelihoodRatio(NoBaseline(), "return"),
    "reward-to-go": lambda v, q: LikelihoodRatio(NoBaseline()),
    "time baseline": lambda v, q: LikelihoodRatio(TimeBaseline(jnp.array([5.0, -1.0, 2.0]))),
    "wrong value baseline": lambda v, q: LikelihoodRatio(ValueBaseline(), critic=WRONG_V),
    "wrong action-dependent baseline": lambda v, q: ActionDependentBaseline(WRONG_Q),
    "td error": lambda v, q: TDError(v),
    "n-step": lambda v, q: NStep(v, n_steps=2),
    "gae": lambda v, q: GeneralizedAdvantage(v, gae_lambda=0.7),
    "gae without bootstrap": lambda v, q: GeneralizedAdvantage(WRONG_V, gae_lambda=1.0),
    "all actions": lambda v, q: AllAction(q),
    "dice": lambda v, q: TrajectoryDiCE(),
    "dice with a baseline": lambda v, q: TrajectoryDiCE(TimeBaseline(jnp.array([5.0, -1.0]))),
    "vtrace on policy": lambda v, q: VTraceGradient(v, policy()),
}


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", DISCOUNTS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_unbiased_to_the_last_digit(name, kind, objective):
    objective = OBJECTIVES[objective]
    if name == "gae without bootstrap" and objective.bootstrap_on_truncation:
        return  # a wrong critic is bootstrapped there
    got = mean_gradient(ESTIMATORS[name](*critics(kind, objective)), kind, objective)
    np.testing.assert_allclose(got, truth(kind, objective), atol=TOLERANCE)


@jax.jit
def log_likelihood_gradient(logits, episodes, dynamics, weight):
    """grad sum_tau w(tau) log P(tau), [S, A]."""

    def log_prob(logits):
        return jnp.sum(weight * jnp.log(probabilities(Table(logits), episodes, dynamics)))

    return jax.grad(log_prob)(logits)


@eqx.filter_jit
def group_gradient(policy, batch, objective):
    return GroupRelative().estimate(policy, batch, objective).gradient.logits


@pytest.mark.slow
@pytest.mark.parametrize("kind", DISCOUNTS)
def test_groups_compare_the_same_returns(kind):
    found, dynamics = episodes(kind)
    some = np.arange(0, len(dynamics), 97)
    batch = jax.tree.map(lambda leaf: leaf[some, :, 0].T, found)
    for objective in OBJECTIVES.values():
        total = returns(kind, float(objective.discount))[some]
        others = (total.sum() - total) / (len(some) - 1)

        chosen = jax.tree.map(lambda leaf: leaf[some], found)
        want = log_likelihood_gradient(
            policy().logits, chosen, dynamics[some], (total - others) / len(some)
        )
        got = group_gradient(policy(), batch, objective)
        np.testing.assert_allclose(got, want, atol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("credit", ["return", "reward-to-go"])
@pytest.mark.parametrize("kind", DISCOUNTS)
def test_the_optimal_baseline_adds_up_the_same_returns(kind, credit):
    """Its mean over all batches is not enumerable; with the baseline taken out the sums are."""

    class Bare(OptimalBaselineLikelihoodRatio):
        def controlled(self, value, scores):
            return jnp.mean(value[:, None] * scores, axis=0)

    for objective in OBJECTIVES.values():
        got = mean_gradient(Bare(credit), kind, objective)
        np.testing.assert_allclose(got, truth(kind, objective), atol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("ratios", ["trajectory", "per-decision"])
@pytest.mark.parametrize("kind", DISCOUNTS)
def test_another_policys_episodes(kind, ratios):
    for objective in OBJECTIVES.values():
        estimator = OffPolicyLikelihoodRatio(behaviour(), ratios)
        got = mean_gradient(estimator, kind, objective, of=behaviour())
        np.testing.assert_allclose(got, truth(kind, objective), atol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_discount_is_a_probability_of_going_on(objective):
    """In expectation it is the environment that terminates with the probability 1 - d."""
    objective = OBJECTIVES[objective]
    goes_on = DISCOUNTS["continuation"] * np.asarray(mdp().transition, float)
    goes_on[:, :, 3] += 1.0 - goes_on.sum(axis=2)
    goes_on[3] = np.eye(4)[3]
    ending = FiniteMDP(goes_on, np.asarray(mdp().reward), np.asarray(mdp().initial), time_limit=H)
    ending = jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64) if leaf.dtype == jnp.float32 else leaf, ending
    )
    want = gradient(policy(), ending, objective, H).logits
    np.testing.assert_allclose(truth("continuation", objective), want, atol=1e-6)
    values = episodic_values(policy(), ending, H, objective.discount).value
    mine = critics("continuation", objective)[0].values
    np.testing.assert_allclose(mine, values, atol=1e-6)
    found, dynamics = all_episodes(ending, H)

    def one(episode):
        estimator = LikelihoodRatio(NoBaseline())
        return estimator.estimate(policy(), episode, objective).gradient.logits

    terminating = expectation(one, policy(), found, dynamics)
    discounting = mean_gradient(LikelihoodRatio(NoBaseline()), "continuation", objective)
    np.testing.assert_allclose(discounting, terminating, atol=1e-6)


@jax.jit
def hessians(logits, episodes, dynamics, totals):
    """That of DiCE in expectation and that of J."""

    def j(logits):
        return jnp.sum(probabilities(Table(logits), episodes, dynamics) * totals)

    def hessian(episode):
        return jax.hessian(
            lambda h: TrajectoryDiCE().surrogate(Table(h), episode, OBJECTIVES["discounted"])
        )(logits)

    return expectation(hessian, Table(logits), episodes, dynamics), jax.hessian(j)(logits)


@pytest.mark.slow
@pytest.mark.parametrize("kind", DISCOUNTS)
def test_the_hessian_of_dice(kind):
    got, want = hessians(policy().logits, *episodes(kind), returns(kind, GAMMA))
    np.testing.assert_allclose(got, want, atol=TOLERANCE)


def ignored(episode):
    return episode._replace(discount=None)


def one_step_late(episode):
    """The discount of the step before: d_t stands at t + 1."""
    first = jnp.ones_like(episode.discount[:1])
    return episode._replace(discount=jnp.concatenate([first, episode.discount[:-1]]))


def without_its_sign(episode):
    return episode._replace(discount=jnp.abs(episode.discount))


class WithoutItsWeight(EpisodicReturn):
    """Wrong on purpose: rewards are discounted and the scores are not."""

    def step_weight(self, episodes):
        return self.step_weights(episodes.reward.shape[0])[:, None]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reward-to-go", "td error", "dice", "gae", "all actions"])
@pytest.mark.parametrize("kind", DISCOUNTS)
def test_wrong_variants_are_detected(kind, name):
    objective = OBJECTIVES["episodic"]
    want = truth(kind, objective)
    estimator = ESTIMATORS[name](*critics(kind, objective))
    variants = {"ignored": (ignored, objective)}
    if kind != "alternating":
        variants["late"] = (one_step_late, objective)
    if kind != "continuation":
        variants["sign"] = (without_its_sign, objective)
    if name != "dice":
        variants["weight"] = (the_same, WithoutItsWeight())
    for label, (change, asked) in variants.items():
        error = np.abs(mean_gradient(estimator, kind, asked, change) - want).max()
        assert error > 1e4 * TOLERANCE, label


@eqx.filter_jit
def estimates(estimator, objective, *batches):
    return [estimator.estimate(policy(), batch, objective) for batch in batches]


@pytest.mark.slow
def test_a_discount_of_one_changes_nothing():
    found, _ = episodes("alternating")
    some = jax.tree.map(lambda leaf: leaf[::97, :, 0].T, found)
    ones = some._replace(discount=jnp.ones_like(some.reward))
    for objective in OBJECTIVES.values():
        for name, make in ESTIMATORS.items():
            estimator = make(*critics("alternating", objective))
            want, got = estimates(estimator, objective, some._replace(discount=None), ones)
            jax.tree.map(
                functools.partial(np.testing.assert_allclose, rtol=1e-12, err_msg=name), got, want
            )


def test_the_weight_starts_anew_with_an_episode_of_a_stream():
    found, _ = episodes("alternating")
    some = jax.tree.map(lambda leaf: leaf[0], found)
    stream = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * 2), some)._replace(
        valid=jnp.ones((2 * H, 1), bool),
        terminated=jnp.zeros((2 * H, 1), bool).at[2].set(True),
        truncated=jnp.zeros((2 * H, 1), bool),
        discount=-jnp.ones((2 * H, 1)),
    )
    weight = EpisodicReturn().step_weight(stream)[:, 0]
    np.testing.assert_array_equal(weight, [1, -1, 1, 1, -1, 1])


def test_averages_have_no_place_for_it():
    found, _ = episodes("continuation")
    one = jax.tree.map(lambda leaf: leaf[0], found)
    for objective in (AverageReward(), AverageValue()):
        with pytest.raises(UpslopeError, match="discount of its own"):
            LikelihoodRatio().estimate(policy(), one, objective)
    with pytest.raises(UpslopeError, match="GPOMDP got"):
        GPOMDP().estimate(policy(), one, EpisodicReturn())
