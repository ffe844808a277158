"""Every estimator of the library, and some that are wrong, against exact gradients."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from small_episodes import GAMMA, HORIZON, MDPS, POLICY
from small_policies import Affine, Table
from upslope import exact
from upslope.core.checks import UpslopeError
from upslope.diagnostics import POPULATION_ESTIMATORS, estimator_names, gradcheck
from upslope.diagnostics.check_reference import sampled_reference
from upslope.environments import ShortCorridor
from upslope.environments.probes import ObservationActionProbe
from upslope.estimators import (
    TRAJECTORY_ESTIMATORS,
    LikelihoodRatio,
    NoBaseline,
    SmoothedScore,
    TDError,
)
from upslope.objectives import AverageReward, DiscountedReturn, EpisodicReturn
from upslope.policies.unroll import unroll

MDP = MDPS["ending"]
OBJECTIVE = DiscountedReturn(GAMMA)


@pytest.fixture(scope="module")
def report():
    return gradcheck(MDP, POLICY, OBJECTIVE, episodes=40_000, batch=8)


@pytest.mark.slow
def test_no_estimator_is_without_its_row(report):
    names = [row.name for row in report.rows]
    assert names[: len(estimator_names())] == estimator_names()
    assert estimator_names() == [*TRAJECTORY_ESTIMATORS.names(), *POPULATION_ESTIMATORS]
    assert not report.left_out
    assert names[len(estimator_names()) :] == [
        "value-baseline (wrong V)",
        "action-dependent-baseline (wrong Q)",
        "td-error (wrong V)",
        "all-action (wrong Q)",
    ]


def test_what_is_declared_unbiased_is_found_so_and_nothing_contradicts(report):
    """36 estimators of 8 coordinates: at a fresh seed all pass with probability 0.999."""
    assert report.exact
    assert not report.contradictions, str(report)
    unbiased = [row for row in report.rows if row.declaration.unbiased]
    assert len(unbiased) >= 19
    assert all(row.verdict.consistent for row in unbiased)


def test_a_wrong_critic_biases_those_that_trust_it_alone(report):
    for name in ("value-baseline (wrong V)", "action-dependent-baseline (wrong Q)"):
        assert report[name].declaration.unbiased
        assert report[name].verdict.consistent, name
    for name in ("td-error (wrong V)", "all-action (wrong Q)"):
        assert not report[name].declaration.unbiased
        assert not report[name].verdict.consistent, name


def test_the_biases_that_are_large_are_seen(report):
    for name in ("standardized", "grpo", "mean-baseline", "gpomdp"):
        assert not report[name].verdict.consistent, name
        assert "biased by" in report[name].finding
    assert report["all-action"].verdict.variance < 0.2 * report["reward-to-go"].verdict.variance
    assert report["reward-to-go"].verdict.variance < report["reinforce"].verdict.variance


def test_the_report_is_a_table_and_plain_json(report):
    text = str(report)
    assert max(map(len, text.splitlines())) <= 100
    assert "reference: exact" in text
    assert "0.001" in text
    parsed = json.loads(report.to_json())
    row = parsed["rows"][0]
    assert row["name"] == "reinforce"
    assert row["work_normalized_variance"] == pytest.approx(row["variance"] * row["steps"])
    assert len(row["mean"]) == len(parsed["reference"]) == 8


def score_sum(policy, episodes, weight):
    ended = episodes.terminated | episodes.truncated
    distribution, _ = unroll(policy, episodes.observation, ended, ())
    log_prob = jax.vmap(jax.vmap(lambda d, a: d.log_prob(a)))(distribution, episodes.action)
    return jnp.sum(jnp.where(episodes.valid, weight * log_prob, 0.0)) / weight.shape[1]


def mine(weighted):
    """An estimator by hand: `weighted(episodes, objective)` is the weight of each score."""

    def estimate(policy, episodes, objective):
        weight = weighted(episodes, objective)
        return jax.grad(lambda policy: score_sum(policy, episodes, weight))(policy)

    return estimate


def right(episodes, objective):
    return objective.step_weight(episodes) * objective.credit(episodes, "reward-to-go")


WRONG = {
    "the weights gamma^t dropped": lambda e, o: o.credit(e, "reward-to-go"),
    "rewards shifted by one": lambda e, o: jnp.concatenate(
        [right(e, o)[1:], jnp.zeros_like(e.reward[:1])]
    ),
    "a baseline that sees the action": lambda e, o: right(e, o) - o.step_weight(e) * e.action,
    "the mean instead of the sum of log-probabilities": lambda e, o: (
        right(e, o) / jnp.sum(e.valid, axis=0, keepdims=True)
    ),
}


@pytest.mark.slow
def test_estimators_of_others_are_judged_right_and_wrong():
    """Ten lines of one's own; each famous mistake is seen."""
    estimators = {"right": mine(right)} | {name: mine(weight) for name, weight in WRONG.items()}
    found = gradcheck(MDP, POLICY, OBJECTIVE, estimators, episodes=80_000)
    assert found["right"].verdict.consistent
    for name in WRONG:
        assert not found[name].verdict.consistent, name


def test_a_wrong_critic_makes_the_td_error_biased_and_an_exact_one_does_not():
    wrong = TDError(critic=lambda observation: 3.0 * observation.astype(float))
    found = gradcheck(MDP, POLICY, OBJECTIVE, {"exact": TDError(), "wrong": wrong}, episodes=40_000)
    assert found["exact"].verdict.consistent
    assert not found["wrong"].verdict.consistent
    assert not found.contradictions  # it declares that it depends on the critic


def test_a_declaration_that_the_estimates_deny_is_marked():
    class Boaster(LikelihoodRatio):
        """Twice the gradient."""

        def estimate(self, policy, episodes, objective, values=None, **rest):
            estimate = super().estimate(policy, episodes, objective, values)
            return estimate._replace(
                gradient=jax.tree.map(lambda leaf: 2 * leaf, estimate.gradient)
            )

    found = gradcheck(MDP, POLICY, OBJECTIVE, {"boaster": Boaster(NoBaseline())}, episodes=20_000)
    assert [row.name for row in found.contradictions] == ["boaster"]
    assert "declared unbiased" in str(found)
    assert found["boaster"].verdict.bias == pytest.approx(1.0, abs=0.2)


def test_a_sampled_reference_states_its_error():
    gradient = np.asarray(exact.gradient(POLICY, MDP, OBJECTIVE, HORIZON).logits).ravel()
    mean, error, known = sampled_reference(
        jax.random.key(0), MDP, POLICY, OBJECTIVE, 8, 4000, HORIZON
    )
    assert not known
    moved = error > 1e-6
    assert (np.abs(mean - gradient)[moved] / error[moved] < 4.5).all()
    assert (error < 0.05 * np.linalg.norm(gradient)).all()


@pytest.mark.slow
def test_critics_see_the_state_that_the_policy_does_not():
    names = "td-error,all-action,value-baseline,vtrace"
    found = upslope.gradcheck("short-corridor", estimators=names, episodes=8000)
    assert found.exact
    assert found["td-error"].declaration.unbiased
    assert found["all-action"].verdict.bias_error < 0.1
    assert found.reference.size == 2
    np.testing.assert_allclose(found.reference.sum(), 0.0, atol=1e-9)
    assert all(row.verdict.consistent for row in found.rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"estimators": ["reinforcement"]}, "Did you mean 'reinforce'"),
        ({"estimators": []}, "no estimators"),
        ({"estimators": {"mine": 3}}, "'mine'"),
        ({"episodes": 8}, "episodes=8"),
        ({"batch": 1}, "batch=1"),
        ({"false_alarms": 0.0}, "false_alarms"),
        ({"environment": "short-coridor"}, "short-corridor"),
        ({"environment": ShortCorridor(time_limit=None)}, "time limit"),
        ({"environment": "CartPole-v1", "estimators": "all-action"}, "action_critic"),
        ({"environment": "CartPole-v1", "estimators": "central-differences"}, "9,220 policies"),
        ({"policy": Table(jnp.array([[0.0, -jnp.inf], *[[0.0, 0.0]] * 3]))}, "action 1 .* state 0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    arguments = {"environment": MDP, "episodes": 1000} | arguments
    with pytest.raises(UpslopeError, match=message):
        gradcheck(arguments.pop("environment"), objective=EpisodicReturn(), **arguments)


@pytest.mark.slow
def test_where_nothing_is_exact_the_reference_is_sampled_and_every_estimator_accounted_for():
    world, policy = ObservationActionProbe(), Affine(jnp.array([[0.5], [-0.2]]), jnp.zeros(2))
    found = gradcheck(world, policy, episodes=4000)
    assert not found.exact
    assert (found.reference_error[found.reference != 0] > 0).all()
    assert "standard error" in found.heading()
    assert not found.contradictions, str(found)
    assert {row.name for row in found.rows} | set(found.left_out) == set(estimator_names())
    assert set(found.left_out) == {"all-action", "action-dependent-baseline"}
    assert "left out" in str(found)


@pytest.mark.slow
def test_another_target_is_no_contradiction():
    wide = SmoothedScore(16, std=3.0)
    found = gradcheck(MDP, POLICY, OBJECTIVE, {"wide": wide}, episodes=160_000)
    assert wide.declaration.unbiased
    assert not found["wide"].verdict.consistent
    assert not found.contradictions
    assert "unbiased*" in str(found)


@pytest.mark.slow
def test_average_rewards_are_over_the_whole_horizon():
    found = gradcheck(
        MDPS["endless"], POLICY, AverageReward(), "rloo,dice,td-error", episodes=16_000
    )
    assert found["rloo"].verdict.consistent
    assert found["dice"].verdict.consistent
    assert found["td-error"].verdict.cosine > 0.95


@pytest.mark.slow
def test_gradients_of_another_shape_or_not_finite_are_refused():
    with pytest.raises(UpslopeError, match="3 numbers"):
        gradcheck(MDP, POLICY, OBJECTIVE, {"odd": lambda *_: jnp.zeros(3)}, episodes=100)
    with pytest.raises(UpslopeError, match="NaN or infinity"):
        gradcheck(
            MDP, POLICY, OBJECTIVE,
            {"lost": lambda policy, *_: jax.tree.map(lambda x: x * jnp.nan, policy)}, episodes=100,
        )  # fmt: skip


def test_estimators_without_a_name():
    def mine(policy, episodes, objective):
        return policy

    for wanted in (mine, [mine], ["reinforce", mine], 3):
        with pytest.raises(UpslopeError, match="a mapping from names"):
            gradcheck("short-corridor", estimators=wanted, episodes=100)
