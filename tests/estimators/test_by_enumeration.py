"""Expectations of estimates as finite sums over all episodes: exact, so that any bias is seen."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from enumerated_episodes import (
    all_episodes,
    expectation,
    expected_gradient,
    probabilities,
    the_same,
)
from small_episodes import GAMMA, LOGITS, MDPS, OTHER_LOGITS, estimate
from small_policies import Table
from upslope.estimators import (
    ActionDependentBaseline,
    AllAction,
    GeneralizedAdvantage,
    LikelihoodRatio,
    NoBaseline,
    NStep,
    OffPolicyLikelihoodRatio,
    TableCritic,
    TDError,
    TimeBaseline,
    TimeTableCritic,
    TrajectoryDiCE,
    ValueBaseline,
    surrogate,
)
from upslope.exact import (
    discounted_values,
    episodic_occupancy,
    episodic_values,
    gradient,
    policy_table,
    value,
)
from upslope.objectives import DiscountedReturn, EpisodicReturn

H = 3
OBJECTIVES = {"episodic": EpisodicReturn(), "discounted": DiscountedReturn(GAMMA)}
TOLERANCE = 1e-7  # the MDP's own arrays are float32
WRONG_V = TableCritic(np.array([1.0, -2.0, 0.5, 3.0]))
WRONG_Q = TableCritic(np.array([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0], [0.0, 0.0]]))


@pytest.fixture(autouse=True)
def double(x64):
    """Every identity here is exact."""


def policy():
    return Table(jnp.asarray(LOGITS))


@functools.cache
def mdp():
    """The small MDP in double precision."""
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64) if leaf.dtype == jnp.float32 else leaf,
        MDPS["ending"],
    )


@functools.cache
def episodes():
    return all_episodes(mdp(), H)


def mean_gradient(estimator, objective, change=the_same, behaviour=None):
    """E[estimate] over the episodes of `behaviour`, if not of the policy."""
    mean = expected_gradient(
        estimator, policy(), objective, *episodes(), behaviour=behaviour, change=change
    )
    return np.asarray(mean)


@functools.cache
def exact_gradient(objective):
    return np.asarray(gradient(policy(), mdp(), objective, H).logits)


@functools.cache
def exact_critics(objective):
    values = episodic_values(policy(), mdp(), H, objective.discount)
    return TimeTableCritic(values.value, exact=True), TimeTableCritic(
        values.action_value, exact=True
    )


def test_the_probabilities_of_all_episodes():
    """B4: they sum to one, and their returns to J."""
    probability = probabilities(policy(), *episodes())
    np.testing.assert_allclose(probability.sum(), 1.0, atol=TOLERANCE)
    returns = episodes()[0].reward.sum(axis=(1, 2))
    want = value(policy(), mdp(), EpisodicReturn(), H)
    np.testing.assert_allclose(jnp.sum(probability * returns), want, atol=TOLERANCE)


@pytest.mark.slow
def test_the_score_of_an_episode_has_no_dynamics_in_it():
    """B6: autodiff of the full log P is the sum of the scores of its steps."""
    some = jax.tree.map(lambda leaf: leaf[100:104], episodes()[0])
    dynamics = episodes()[1][100:104]
    full = jax.jit(jax.jacrev(lambda p: jnp.log(probabilities(p, some, dynamics))))(policy()).logits
    steps = LikelihoodRatio(NoBaseline(), "return")
    rewarded = some._replace(reward=jnp.zeros_like(some.reward).at[:, 0].set(1.0))  # return 1
    sums = jax.jit(
        jax.vmap(lambda e: steps.estimate(policy(), e, EpisodicReturn()).gradient.logits)
    )
    np.testing.assert_allclose(full, sums(rewarded), rtol=1e-10, atol=1e-12)


ESTIMATORS = {
    "reinforce": lambda v, q: LikelihoodRatio(NoBaseline(), "return"),
    "reward-to-go": lambda v, q: LikelihoodRatio(NoBaseline()),
    "time baseline": lambda v, q: LikelihoodRatio(TimeBaseline(jnp.array([5.0, -1.0, 2.0]))),
    "wrong value baseline": lambda v, q: LikelihoodRatio(ValueBaseline(), critic=WRONG_V),
    "wrong action-dependent baseline": lambda v, q: ActionDependentBaseline(WRONG_Q),
    "td error": lambda v, q: TDError(v),
    "n-step": lambda v, q: NStep(v, n_steps=2),
    "gae": lambda v, q: GeneralizedAdvantage(v, gae_lambda=0.7),
    "all actions": lambda v, q: AllAction(q),
    "dice": lambda v, q: TrajectoryDiCE(),
    "dice with a baseline": lambda v, q: TrajectoryDiCE(TimeBaseline(jnp.array([5.0, -1.0]))),
}


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_unbiased_to_the_last_digit(name, objective):
    """B5, B10, B12, C1, C2, C4."""
    objective = OBJECTIVES[objective]
    got = mean_gradient(ESTIMATORS[name](*exact_critics(objective)), objective)
    np.testing.assert_allclose(got, exact_gradient(objective), atol=TOLERANCE)


def shifted(episode):
    """The reward of each step handed to the one before."""
    return episode._replace(reward=jnp.roll(episode.reward, -1, axis=0).at[-1].set(0.0))


def without_last_reward(episode):
    return episode._replace(reward=jnp.where(episode.terminated, 0.0, episode.reward))


class Uncorrected(ActionDependentBaseline):
    """Wrong on purpose: a baseline that sees the action, and nothing added back."""

    def estimate(self, policy, episodes, objective):
        baseline = jnp.take_along_axis(
            self.action_critic(episodes.observation), episodes.action[..., None], -1
        )[..., 0]
        estimator = LikelihoodRatio(ValueBaseline())
        return estimator.estimate(policy, episodes, objective, baseline)


class MeanOverSteps(LikelihoodRatio):
    """Wrong on purpose: the mean of the log probabilities of an episode in place of their sum."""

    def estimate(self, policy, episodes, objective):
        right = super().estimate(policy, episodes, objective)
        steps = jnp.sum(episodes.valid)
        return right._replace(gradient=jax.tree.map(lambda g: g / steps, right.gradient))


def wrong_variants():
    bare = DiscountedReturn(GAMMA, weights="undiscounted")
    objective = OBJECTIVES["discounted"]
    v, q = exact_critics(objective)
    first = TableCritic(v.values[0]), TableCritic(q.values[0])
    yield "gamma^t dropped", LikelihoodRatio(NoBaseline()), bare, None
    yield "gamma^t dropped by a critic", TDError(v), bare, None
    yield "reward shifted by one", LikelihoodRatio(NoBaseline()), objective, shifted
    yield "a baseline that sees the action", Uncorrected(WRONG_Q), objective, None
    yield "a mean over steps", MeanOverSteps(NoBaseline()), objective, None
    yield "the last reward lost", TDError(v), objective, without_last_reward
    yield "V_0 at every step", TDError(first[0]), objective, None
    yield "Q_0 at every step", AllAction(first[1]), objective, None
    yield "a wrong critic", GeneralizedAdvantage(WRONG_V, gae_lambda=0.5), objective, None


@pytest.mark.slow
@pytest.mark.parametrize("number", range(9))
def test_wrong_variants_are_seen(number):
    name, estimator, objective, change = list(wrong_variants())[number]
    got = mean_gradient(estimator, objective, change or the_same)
    error = np.abs(got - exact_gradient(OBJECTIVES["discounted"])).max()
    assert error > 1e4 * TOLERANCE, name


@functools.cache
def sampled_terms():
    """What H steps hold of the infinite sum: sum_{h<H} gamma^h P_h(s) sum_a grad pi Q."""
    pi = policy_table(policy(), mdp())
    weight = GAMMA ** jnp.arange(H)
    visits = weight[:, None] * episodic_occupancy(pi, mdp(), H)
    credit = visits.sum(axis=0)[:, None] * discounted_values(pi, mdp(), GAMMA).action_value
    return np.asarray(
        jax.jit(jax.grad(lambda p: jnp.sum(policy_table(p, mdp()) * credit)))(policy()).logits
    )


def ended(episode):
    """Wrong on purpose: truncation taken for termination."""
    return episode._replace(terminated=episode.terminated | episode.truncated)


@pytest.mark.slow
@pytest.mark.parametrize("gae_lambda", [0.0, 0.5, 1.0])
def test_a_truncated_episode_bootstraps(gae_lambda):
    """With the values of the endless sum; truncation taken for termination is seen."""
    values = TableCritic(discounted_values(policy(), mdp(), GAMMA).value, exact=True)
    estimator = GeneralizedAdvantage(values, gae_lambda=gae_lambda)
    objective = OBJECTIVES["discounted"]
    np.testing.assert_allclose(mean_gradient(estimator, objective), sampled_terms(), atol=TOLERANCE)

    wrong = mean_gradient(estimator, objective, ended)
    assert np.abs(wrong - sampled_terms()).max() > 1e4 * TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_hessian_of_dice_is_the_hessian_of_j(objective):
    """With a baseline too; the usual surrogate is right in the first order alone."""
    objective = OBJECTIVES[objective]
    want = jax.jit(jax.hessian(lambda h: value(Table(h), mdp(), objective, H)))(policy().logits)
    for dice in (TrajectoryDiCE(), TrajectoryDiCE(TimeBaseline(jnp.array([5.0, -1.0, 2.0])))):

        def hessian(episode, dice=dice):
            return jax.hessian(lambda h: dice.surrogate(Table(h), episode, objective))(
                policy().logits
            )

        got = expectation(hessian, policy(), *episodes())
        np.testing.assert_allclose(got, want, atol=TOLERANCE)

    def usual(episode):
        credit = objective.step_weight(episode) * objective.credit(episode, "reward-to-go")

        def total(logits):
            log_prob = jax.vmap(jax.vmap(lambda o, a: Table(logits)(o).log_prob(a)))
            taken = log_prob(episode.observation, episode.action)
            return surrogate(taken, jnp.where(episode.valid, credit, 0.0))

        return jax.hessian(total)(policy().logits)

    wrong = expectation(usual, policy(), *episodes())
    assert np.abs(wrong - want).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("ratios", ["trajectory", "per-decision"])
def test_another_policys_episodes_are_weighed_right(ratios, objective):
    """B7: away from the behaviour the ordinary weights are unbiased, clipped ones are not."""
    objective = OBJECTIVES[objective]
    behaviour = Table(jnp.asarray(OTHER_LOGITS))

    def mean(**settings):
        estimator = OffPolicyLikelihoodRatio(behaviour, ratios, **settings)
        return mean_gradient(estimator, objective, behaviour=behaviour)

    want = exact_gradient(objective)
    np.testing.assert_allclose(mean(), want, atol=TOLERANCE)
    assert np.abs(mean(weighting="clipped", clip=1.0) - want).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("weighting", ["ordinary", "self-normalized"])
@pytest.mark.parametrize("ratios", ["trajectory", "per-decision"])
def test_it_is_the_gradient_of_the_weighted_return(ratios, weighting):
    """B7: autodiff of the importance-weighted J gives the same, at the behaviour and off it."""
    objective = OBJECTIVES["discounted"]
    some = jax.tree.map(lambda leaf: leaf[::97, :, 0].T, episodes()[0])
    behaviour = Table(jnp.asarray(OTHER_LOGITS))

    def weighted_return(policy):
        log_prob = jax.vmap(jax.vmap(lambda o, a: policy(o).log_prob(a)))
        base = jax.vmap(jax.vmap(lambda o, a: behaviour(o).log_prob(a)))
        ratio = log_prob(some.observation, some.action) - base(some.observation, some.action)
        log_weight = jnp.cumsum(jnp.where(some.valid, ratio, 0.0), axis=0)
        if ratios == "trajectory":
            log_weight = jnp.ones((H, 1)) * log_weight[-1:]
        weight = jnp.exp(log_weight) / log_weight.shape[1]
        if weighting == "self-normalized":
            weight = jax.nn.softmax(log_weight, axis=1)
        return jnp.sum(weight * (GAMMA ** jnp.arange(H))[:, None] * some.reward)

    estimator = OffPolicyLikelihoodRatio(behaviour, ratios, weighting)
    truth = jax.jit(jax.grad(weighted_return))
    for theta in (policy(), behaviour):
        want = truth(theta).logits
        got = estimate(estimator, theta, some, objective)
        np.testing.assert_allclose(got.gradient.logits, want, rtol=1e-10, atol=1e-12)
    on_policy = {"trajectory": "return", "per-decision": "reward-to-go"}[ratios]
    if weighting == "ordinary":
        plain = estimate(LikelihoodRatio(NoBaseline(), on_policy), behaviour, some, objective)
        np.testing.assert_allclose(got.gradient.logits, plain.gradient.logits, rtol=1e-10)
    np.testing.assert_allclose(got.effective_sample_size, some.reward.shape[1], rtol=1e-10)
