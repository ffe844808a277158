"""Group advantages, the optimal baseline, and estimators with every kind of policy."""

from __future__ import annotations

import dataclasses
import itertools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from small_episodes import OTHER, POLICY, batch, estimate, exact, gradients, sampled
from small_policies import Rememberer
from upslope.core.checks import UpslopeError
from upslope.core.records import Trajectories
from upslope.estimators import (
    TRAJECTORY_ESTIMATORS,
    ImportanceWeightWarning,
    LikelihoodRatio,
    OffPolicyLikelihoodRatio,
    OptimalBaselineLikelihoodRatio,
    TableCritic,
    TimeBaseline,
    VTraceGradient,
    group_advantages,
)
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.policies.critics import state_value


def test_leave_one_out_is_the_mean_stretched():
    """RLOO: k/(k-1) (r - mean) is r minus the mean of the others."""
    returns = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    others = (returns.sum(axis=1, keepdims=True) - returns) / 3
    np.testing.assert_allclose(group_advantages(returns), returns - others, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("relative", ["leave-one-out", "mean", "standardized"])
def test_equal_returns_say_nothing(relative):
    got = group_advantages(jnp.full((2, 7), 0.1), relative)
    np.testing.assert_allclose(got, 0.0, atol=1e-7)
    if relative == "standardized":
        np.testing.assert_array_equal(got, 0.0)


@pytest.mark.parametrize(
    ("relative", "factor"), [("leave-one-out", 1.0), ("mean", 2 / 3), ("standardized", None)]
)
def test_groups_of_three_by_enumeration(x64, relative, factor):
    """A bandit of three arms: RLOO exact, the mean shrunk by 1 - 1/k, GRPO not even parallel."""
    reward = jnp.array([1.0, 0.2, -3.0])
    logits = jnp.array([0.3, -0.2, 0.5])
    pi = jax.nn.softmax(logits)
    want = np.asarray(jax.grad(lambda h: jax.nn.softmax(h) @ reward)(logits))
    got = np.zeros(3)
    for group in itertools.product(range(3), repeat=3):
        index = jnp.array(group)
        advantage = group_advantages(reward[index], relative)
        scores = jnp.eye(3)[index] - pi[None, :]
        got += float(jnp.prod(pi[index])) * np.asarray(advantage @ scores) / 3
    if factor is not None:
        np.testing.assert_allclose(got, factor * want, rtol=1e-10, atol=1e-12)
        return
    cosine = got @ want / np.linalg.norm(got) / np.linalg.norm(want)
    assert cosine < 0.999
    assert not TRAJECTORY_ESTIMATORS.get("grpo")().declaration.unbiased


@pytest.mark.slow
def test_rloo_is_the_likelihood_ratio_of_whole_returns():
    """On episodes of one length, where the others' return is the others' credit."""
    one = batch("endless")
    rloo = estimate(TRAJECTORY_ESTIMATORS.get("rloo")(), POLICY, one, EpisodicReturn())
    other = estimate(LikelihoodRatio(credit="return"), POLICY, one, EpisodicReturn())
    np.testing.assert_allclose(rloo.gradient.logits, other.gradient.logits, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_many_episodes_find_the_baseline_of_least_variance():
    """B10, with 128 episodes an estimate: not above any of 50 constants, in any coordinate."""
    pooled = jax.tree.map(
        lambda leaf: jnp.moveaxis(leaf[:24_000].reshape(1500, 16, *leaf.shape[1:]), 1, -2).reshape(
            1500, leaf.shape[1], 128
        ),
        sampled("endless")._replace(memory=()),
    )

    def estimates(estimator):
        def one(episodes):
            return estimator.estimate(POLICY, episodes, EpisodicReturn()).gradient.logits

        return np.asarray(jax.jit(lambda p: jax.lax.map(one, p, batch_size=100))(pooled))

    def spread(estimator):
        return estimates(estimator).var(axis=0)

    def constant(number):
        return estimates(LikelihoodRatio(TimeBaseline(jnp.float32(number)), "return"))

    best = spread(OptimalBaselineLikelihoodRatio("return"))
    numbers = np.random.default_rng(0).uniform(-3, 8, size=50)
    at_zero, at_one = constant(0.0), constant(1.0)  # an estimate is affine in the constant
    np.testing.assert_allclose(
        constant(numbers[0]), at_zero + numbers[0] * (at_one - at_zero), rtol=1e-3, atol=1e-3
    )
    others = np.array([(at_zero + b * (at_one - at_zero)).var(axis=0) for b in numbers])
    assert (best[None] <= 1.1 * others).all()
    assert (np.median(others, axis=0) > 1.2 * best).all()
    single = spread(OptimalBaselineLikelihoodRatio("reward-to-go"))
    plain = spread(TRAJECTORY_ESTIMATORS.get("reward-to-go")())
    assert single.sum() < 0.9 * plain.sum()


@pytest.mark.slow
def test_the_same_episodes_bias_the_optimal_baseline_and_the_others_do_not():
    """B10, by its size: the plug-in error of groups of two is much larger than that of eight."""

    def error(estimator, size):
        def one(episodes):
            part = jax.tree.map(lambda leaf: leaf[:, :size], episodes._replace(memory=()))
            return estimator.estimate(POLICY, part, EpisodicReturn())

        return np.abs(gradients(one).mean(axis=0) - exact("ending", "episodic")).max()

    plug_in = OptimalBaselineLikelihoodRatio("return", cross_fitted=False)
    fitted = OptimalBaselineLikelihoodRatio("return")
    assert error(plug_in, 2) > 2.5 * error(plug_in, 8) > 5 * error(fitted, 8)


def memory_batch():
    rng = np.random.default_rng(0)
    policy = Rememberer(jnp.asarray(rng.normal(size=(2, 2)), jnp.float32), jnp.zeros(2))
    shape = (5, 3)
    seen, after = rng.normal(size=(2, *shape, 1)).astype(np.float32)
    flags = np.zeros(shape, bool)
    flags[-1] = True
    data = (
        seen,
        rng.integers(2, size=shape),
        rng.normal(size=shape).astype(np.float32),
        after,
        flags,
        ~flags & False,
        np.ones(shape, bool),
    )
    return policy, Trajectories(*(jnp.asarray(x) for x in data), memory=jnp.zeros((3, 1)))


@pytest.mark.slow
def test_policies_with_memory():
    """Estimators that weigh scores work for them; those that cannot say so."""
    policy, episodes = memory_batch()
    names = ["reinforce", "rloo", "dice", "gpomdp", "per-decision", "td-error", "vtrace"]
    objective = DiscountedReturn(0.9)
    parts = {"behaviour": policy, "critic": state_value(jax.random.key(0), policy)}
    got = {}
    for name in [*names, "reward-to-go", "reinforce-optimal-baseline", "all-action"]:
        estimator = TRAJECTORY_ESTIMATORS.get(name)()
        given = {p: parts.get(p, lambda o: jnp.zeros(2)) for p in estimator.requires}
        given = dataclasses.replace(estimator, **given)
        found = estimate(given, policy, episodes, objective)
        got[name] = np.asarray(found.gradient.weights)
        assert np.isfinite(got[name]).all()
    for name in ("dice", "per-decision", "td-error", "vtrace"):  # zero values, on policy
        if name in ("dice", "per-decision"):
            np.testing.assert_allclose(got[name], got["reward-to-go"], rtol=1e-4, atol=1e-6)
    with pytest.raises(UpslopeError, match="use credit='return'"):
        OptimalBaselineLikelihoodRatio().estimate(policy, episodes, objective)


@pytest.mark.slow
def test_absurd_weights_neither_overflow_nor_pass_in_silence():
    """Self-normalised and clipped weights of any size; the effective sample size tells."""
    far = dataclasses.replace(POLICY, logits=POLICY.logits.at[:, 0].add(60.0))
    episodes = batch("ending", off_policy=True)
    for weighting in ("self-normalized", "clipped"):
        for ratios in ("trajectory", "per-decision"):
            estimator = OffPolicyLikelihoodRatio(OTHER, ratios, weighting)
            with pytest.warns(ImportanceWeightWarning, match="worth"):
                found = estimator.estimate(far, episodes, EpisodicReturn())
            assert np.isfinite(found.gradient.logits).all()
            assert 1 <= found.effective_sample_size < 8
    quiet = jax.jit(lambda *given: OffPolicyLikelihoodRatio(OTHER).estimate(*given))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet(far, episodes, EpisodicReturn())


def test_a_behaviour_that_could_not_have_acted_so_is_refused():
    never = dataclasses.replace(OTHER, logits=OTHER.logits.at[:, 0].set(-jnp.inf))
    with pytest.raises(UpslopeError, match="probability zero"):
        OffPolicyLikelihoodRatio(never).estimate(POLICY, batch("ending"), EpisodicReturn())


def test_vtrace_reports_what_the_episodes_are_worth():
    estimator = VTraceGradient(TableCritic(jnp.zeros(4)), POLICY)
    found = estimate(estimator, POLICY, batch("ending"), DiscountedReturn(0.9))
    np.testing.assert_allclose(found.effective_sample_size, 8.0, rtol=1e-5)
    assert not estimator.declaration.unbiased


def test_settings_are_checked():
    for name, settings, message in [
        ("gae", {"gae_lambda": 1.5}, "gae_lambda=1.5"),
        ("n-step", {"n_steps": 0}, "n_steps=0"),
        ("gpomdp", {"beta": 1.0}, "beta=1.0"),
        ("per-decision", {"weighting": "none"}, "weighting='none'"),
        ("rloo", {"relative": "median"}, "relative='median'"),
        ("vtrace", {"rho_clip": 0.0}, "rho_clip=0.0"),
    ]:
        with pytest.raises(UpslopeError, match=message):
            TRAJECTORY_ESTIMATORS.get(name)(**settings)
