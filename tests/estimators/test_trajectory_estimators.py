"""Every estimator of the table against the exact gradient: what it declares is what it does.

|z| < 4.5 in every coordinate with a standard error below 2 % of |g| for those that say unbiased,
and |z| > 4.5 somewhere for those that say biased. See `small_episodes` for the false-alarm rate.
"""

from __future__ import annotations

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from exact_reference import z_scores
from small_episodes import (
    EPISODES,
    GAMMA,
    OBJECTIVES,
    OTHER,
    POLICY,
    batch,
    estimates,
    exact,
    exact_values,
)
from upslope.core.checks import UpslopeError
from upslope.estimators import (
    TRAJECTORY_ESTIMATORS,
    BiasStatement,
    GeneralizedAdvantage,
    TableCritic,
    TimeBaseline,
    TimeTableCritic,
)
from upslope.objectives import AverageReward, DiscountedReturn, EpisodicReturn

OFF_POLICY = {name for name in TRAJECTORY_ESTIMATORS.names() if "import" in name}
OFF_POLICY |= {"per-decision", "per-decision-self-normalized", "vtrace"}
# Settings that make a declared bias large enough to be seen with this many episodes.
SETTINGS = {
    "gpomdp": {"beta": 0.1},
    "importance-weighted-clipped": {"clip": 0.8},
    "time-baseline": {"baseline": TimeBaseline(jnp.array([3.0, 1.0, -1.0]))},
}
WRONG_V = TableCritic(jnp.array([1.0, -2.0, 0.5, 3.0]))
WRONG_Q = TableCritic(jnp.array([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0], [0.0, 0.0]]))


def filled(name, objective, right=True):
    """An estimator of the table, its critics the exact ones (or wrong ones)."""
    estimator = TRAJECTORY_ESTIMATORS.get(name)(**SETTINGS.get(name, {}))
    values = exact_values("ending", objective)
    parts = {
        "critic": TimeTableCritic(values.value, exact=True) if right else WRONG_V,
        "action_critic": TimeTableCritic(values.action_value, exact=True) if right else WRONG_Q,
        "behaviour": OTHER,
    }
    return dataclasses.replace(estimator, **{part: parts[part] for part in estimator.requires})


def deviation(name, estimator, objective, reference=None):
    """The z-scores of its mean, and the largest standard error over |g|."""
    got = estimates(estimator, OBJECTIVES[objective], "ending", name in OFF_POLICY)
    return z_scores(got, exact("ending", objective) if reference is None else reference)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["episodic", "discounted"])
@pytest.mark.parametrize("name", TRAJECTORY_ESTIMATORS.names())
def test_what_is_declared_holds(name, objective):
    estimator = filled(name, objective)
    declaration = estimator.declaration_for(OBJECTIVES[objective])
    z, se = deviation(name, estimator, objective)
    assert declaration.reason
    if declaration.unbiased:
        assert se <= 0.02
        assert np.abs(z).max() < 4.5
    elif objective == "episodic":
        assert np.abs(z).max() > 4.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["td-error", "n-step", "gae", "all-action"])
def test_a_wrong_critic_is_a_declared_bias(name):
    estimator = filled(name, "discounted", right=False)
    assert not estimator.declaration_for(OBJECTIVES["discounted"]).unbiased
    if name == "n-step":  # as many steps as there are leave nothing to bootstrap but the end
        estimator = dataclasses.replace(estimator, n_steps=2)
    assert np.abs(deviation(name, estimator, "discounted")[0]).max() > 4.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["value-baseline", "action-dependent-baseline"])
def test_a_wrong_baseline_does_no_harm(name):
    estimator = filled(name, "episodic", right=False)
    assert estimator.declaration_for(OBJECTIVES["episodic"]).unbiased
    z, se = deviation(name, estimator, "episodic")
    assert se <= 0.02
    assert np.abs(z).max() < 4.5


def test_lambda_one_needs_no_true_critic_where_nothing_is_bootstrapped():
    estimator = GeneralizedAdvantage(WRONG_V, gae_lambda=1.0)
    assert estimator.declaration_for(EpisodicReturn()).unbiased
    assert not estimator.declaration_for(DiscountedReturn(GAMMA)).unbiased
    assert np.abs(deviation("gae", estimator, "episodic")[0]).max() < 4.5


@pytest.mark.slow
def test_better_knowledge_is_less_variance():
    """The order that the literature promises, on this problem."""
    names = ["reinforce", "reward-to-go", "value-baseline", "td-error", "all-action"]
    spread = []
    for name in names:
        estimator = filled(name, "episodic")
        got = estimates(estimator, EpisodicReturn())
        spread.append(got.var(axis=0).sum())
    assert (np.diff(spread) < 0).all(), dict(zip(names, spread, strict=True))


@functools.cache
def padded(off_policy):
    """A batch in double precision, and the same with nonsense after the ends of its episodes."""
    episodes = jax.tree.map(
        lambda leaf: np.asarray(leaf, float) if leaf.dtype == jnp.float32 else np.asarray(leaf),
        batch("ending", off_policy),
    )
    assert not episodes.valid.all()
    longer = jax.tree.map(
        lambda leaf: np.concatenate([leaf, np.zeros_like(leaf)]), episodes._replace(memory=())
    )
    filler = ~longer.valid
    longer = longer._replace(
        reward=np.where(filler, 1e6, longer.reward),
        action=np.where(filler, 1, longer.action),
        observation=np.where(filler, 2, longer.observation),
        next_observation=np.where(filler, 2, longer.next_observation),
    )
    return jax.tree.map(jnp.asarray, (episodes, longer))


@eqx.filter_jit
def of_both(estimator, policy, objective, first, second):
    """The gradients that an estimator makes of two batches."""
    return [
        estimator.estimate(policy, episodes, objective).gradient.logits
        for episodes in (first, second)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAJECTORY_ESTIMATORS.names())
def test_padding_says_nothing(name, x64):
    """Whatever stands after the end of an episode, and however much of it, the estimate stays."""
    policy = jax.tree.map(lambda leaf: leaf.astype(float), POLICY)
    estimator = filled(name, "discounted")
    batches = padded(name in OFF_POLICY)
    want, got = of_both(estimator, policy, DiscountedReturn(GAMMA), *batches)
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)


@pytest.mark.slow
def test_an_objective_without_weights_makes_them_biased():
    plain, bare = DiscountedReturn(GAMMA), DiscountedReturn(GAMMA, weights="undiscounted")
    for name in ("reward-to-go", "td-error", "all-action", "optimal-baseline"):
        estimator = filled(name, "discounted")
        assert estimator.declaration_for(plain).unbiased
        assert not estimator.declaration_for(bare).unbiased
        assert "gamma^t" in estimator.declaration_for(bare).reason
        got = estimates(estimator, bare)
        assert np.abs(z_scores(got, exact("ending", "discounted"))[0]).max() > 4.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reinforce", "rloo", "dice", "reinforce-optimal-baseline"])
def test_whole_returns_need_no_weights(name):
    bare = DiscountedReturn(GAMMA, weights="undiscounted")
    estimator = filled(name, "discounted")
    assert estimator.declaration_for(bare).unbiased
    got = estimates(estimator, bare)
    assert np.abs(z_scores(got, exact("ending", "discounted"))[0]).max() < 4.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rloo", "dice", "reinforce-optimal-baseline", "optimal-baseline"])
def test_no_average_is_taken_where_none_is_declared(name):
    """These estimate the mean reward over the steps of a batch without measuring it first."""
    estimator = filled(name, "episodic")
    assert estimator.declaration_for(AverageReward()).unbiased
    got = estimates(estimator, AverageReward(), "endless")
    z, se = z_scores(got, exact("endless", "average"))
    assert se <= 0.02
    assert np.abs(z).max() < 4.5


def test_the_average_of_the_same_batch_is_a_declared_bias():
    estimator = filled("reward-to-go", "episodic")
    assert not estimator.declaration_for(AverageReward()).unbiased
    got = estimates(estimator, AverageReward(), "endless")
    assert np.abs(z_scores(got, exact("endless", "average"))[0]).max() > 4.5


def test_a_missing_part_is_named():
    for name in TRAJECTORY_ESTIMATORS.names():
        estimator = TRAJECTORY_ESTIMATORS.get(name)()
        assert isinstance(estimator.declaration, BiasStatement)
        for part in estimator.requires[:1]:
            with pytest.raises(UpslopeError, match=f"got no {part}"):
                estimator.estimate(POLICY, batch("ending"), EpisodicReturn())


def test_the_mean_baselines_bias_is_its_size():
    """Same-batch means at each step shrink the gradient by 1 - 1/N where all episodes last."""
    estimator = filled("mean-baseline", "episodic")
    got = estimates(estimator, EpisodicReturn(), "endless")
    reference = (1 - 1 / EPISODES) * exact("endless", "episodic")
    assert np.abs(z_scores(got, reference)[0]).max() < 4.5
