"""The ensemble: likelihood by hand, bootstrap, odd inputs, propagation, and learning online."""

import dataclasses
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "environments"))
from environment_checks import check_environment
from model_data import as_trajectories, rows

from upslope.core.checks import UpslopeError
from upslope.core.moments import Moments
from upslope.models import EnsembleModel, EnsembleState, NeverTerminates, Scale
from upslope.models.ensemble_training import Batch, Rates, bootstrap_weights, losses
from upslope.models.gaussian_network import GaussianNetwork
from upslope.planning import CrossEntropyPlanner
from upslope.storage import serialization

KEY = jax.random.key(0)
SMALL = EnsembleModel(n_members=3, hidden=(16,), n_epochs=60, learning_rate=5e-3, batch_size=64)
NOISE = 0.1
PLAN = eqx.filter_jit(lambda planner, state: planner.plan(KEY, state, planner.initial_memory()))
STEP = eqx.filter_jit(lambda model, state, key=KEY: model.step(key, state, jnp.asarray(1)))
UPDATE = eqx.filter_jit(lambda model, fresh, batches: model.update(KEY, fresh, batches))


def noisy_steps(n=1500, seed=0):
    """Of two numbers: one turns with the action, the other is constant; ends beyond 1.5."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, n)
    action = rng.integers(0, 2, n)
    following = x + 0.5 * np.sin(x) + np.where(action == 1, 0.6, -0.6) + NOISE * rng.normal(size=n)
    goal = np.full(n, 3.0)
    ended = np.abs(following) > 1.5
    return rows(np.c_[x, goal], action, np.cos(x), np.c_[following, goal], ended)


DATA = noisy_steps()


@pytest.fixture(scope="module")
def fitted():
    return SMALL.fit(KEY, DATA)


def true_mean(x, action):
    return x + 0.5 * np.sin(x) + np.where(action == 1, 0.6, -0.6)


@pytest.mark.slow
def test_a_known_model_is_recovered(fitted):
    model, report = fitted
    fresh = noisy_steps(300, seed=9)
    rows_ = jax.tree.map(jnp.asarray, fresh)
    rows_ = rows_._replace(observation=rows_.observation.astype(float))
    found = jax.jit(lambda rows: model.predictions(rows))(rows_)
    change = model.scales.targets.restore(jnp.mean(found.mean, axis=0))
    wanted = true_mean(fresh.observation[:, 0], fresh.action) - fresh.observation[:, 0]
    np.testing.assert_allclose(change[:, 0], wanted, atol=0.12)
    assert np.sqrt(np.mean((change[:, 0] - wanted) ** 2)) < 0.035
    np.testing.assert_array_equal(change[:, 1], 0.0)  # the constant is predicted exactly
    np.testing.assert_allclose(change[:, 2], np.cos(fresh.observation[:, 0]), atol=0.2)
    spread = np.exp(0.5 * np.asarray(found.log_variance))[..., 0] * model.scales.targets.std[0]
    assert 0.8 * NOISE < np.mean(spread) < 1.3 * NOISE
    ended = np.mean(jax.nn.sigmoid(found.end_logit), axis=0) > 0.5
    assert np.mean(ended == fresh.terminated) > 0.93
    assert report.n_held_out == 150
    assert report.calibration.expected_calibration_error < 0.08
    assert 0.35 < report.calibration.coverage_50 < 0.65
    assert report.calibration.coverage_90 > 0.8
    assert "components [1] of the observation never changed" in report.unknown[0]
    assert "intervals: 50 % ones hold" in str(report)


@pytest.mark.slow
def test_it_is_an_environment(fitted):
    known = fitted[0].knowledge
    # Away from the ends: the suite takes a noisy step that ends at once for a reset.
    starts = known.starts._replace(rows=0.2 * known.starts.rows)
    inside = dataclasses.replace(fitted[0], knowledge=known._replace(starts=starts))
    for propagation in ("ts-infinity", "ts1", "mean"):
        check_environment(dataclasses.replace(inside, propagation=propagation))


def one_row(observation, action):
    """One step as rows."""
    seen = jnp.asarray(observation)[None]
    return jax.tree.map(jnp.asarray, rows(seen, [action], [0.0], seen))


@pytest.mark.slow
def test_propagation_keeps_or_changes_the_member(fitted):
    model = fitted[0]
    state = model.state_of(jnp.array([0.5, 3.0]), jax.random.key(4))
    assert isinstance(state, EnsembleState)
    keys = jax.random.split(KEY, 12)
    after = state
    for key in keys:
        after, _ = STEP(model, after, key)
        assert int(after.member) == int(state.member)
    stacked, observation = model.hypotheses(state)
    found = eqx.filter_jit(jax.vmap(lambda env: STEP(env, observation)[0]))(stacked)
    for index in range(3):
        alone, _ = STEP(model.member(index), observation)
        np.testing.assert_allclose(found[index], alone, rtol=1e-5)
        same, _ = STEP(model, EnsembleState(observation, jnp.asarray(index)))
        np.testing.assert_allclose(same.observation, alone, rtol=1e-5)
    assert np.ptp(np.asarray(found)[:, 0]) > 0
    single = dataclasses.replace(model, propagation="ts1")
    assert single.hypotheses(observation) is None
    draw = jax.jit(jax.vmap(lambda key: single.step(key, observation, jnp.asarray(1))[0][0]))
    drawn = draw(jax.random.split(KEY, 500))
    assert abs(float(jnp.std(drawn)) / NOISE - 1) < 0.3
    still = dataclasses.replace(model, noise=False)
    for index in range(3):
        found = STEP(still.member(index), observation)[0]
        inputs = model.batch(one_row(observation, 1)).inputs[0]
        network = jax.tree.map(lambda leaf, i=index: leaf[i], model.knowledge.learner.networks)
        change = model.scales.targets.restore(network(inputs).mean)[:2]
        np.testing.assert_allclose(found, observation + change, rtol=1e-5)
    mean = dataclasses.replace(model, propagation="mean")
    one, other = (STEP(mean, observation, jax.random.key(k))[0] for k in (1, 2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one[0], true_mean(0.5, 1), atol=0.12)


@pytest.mark.slow
def test_planners_plan_in_it(fitted):
    planner = CrossEntropyPlanner(fitted[0], n_candidates=30, n_elites=5, horizon=4)
    state = fitted[0].state_of(jnp.array([1.0, 3.0]))
    plan = PLAN(planner, state)
    # cos(x) is greatest at 0: the action that leads down is the best.
    assert int(plan.action) == 0
    assert np.isfinite(plan.value)


@pytest.mark.slow
def test_what_is_saved_is_what_is_loaded(fitted):
    model = dataclasses.replace(fitted[0].for_planning(), termination=NeverTerminates())
    description, arrays = serialization.describe(model)
    assert not any("optimizer" in name for name in arrays)
    loaded = serialization.rebuild(description, arrays)
    state = model.state_of(jnp.array([0.5, 3.0]))
    for one, other in zip(
        jax.tree.leaves(STEP(loaded, state)),
        jax.tree.leaves(STEP(model, state)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def network(n_members=2):
    """Stacked networks with random weights."""
    keys = jax.random.split(jax.random.key(5), n_members)
    return jax.jit(jax.vmap(lambda key: GaussianNetwork.fresh(key, 3, (4,), 2, "tanh")))(keys)


def test_the_loss_and_its_gradient_by_hand(x64):
    stacked = network()
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    ended, weight = np.array([1.0, 0, 0, 1, 0]), rng.integers(0, 3, (5, 2)).astype(float)
    batch = Batch(*map(jnp.asarray, (x, y, ended, weight)))
    found = jax.jit(losses)(stacked, batch, Rates(1e-3, 0.0, 0.0, 1.0))
    out = jax.jit(jax.vmap(lambda net: jax.vmap(net)(x)))(stacked)
    mean, log_variance, logit = (np.asarray(part) for part in out)
    density = 0.5 * np.mean((y - mean) ** 2 / np.exp(log_variance) + log_variance, axis=2)
    chance = 1 / (1 + np.exp(-logit))
    cross = -(ended * np.log(chance) + (1 - ended) * np.log(1 - chance))
    wanted = np.mean(weight.T * (density + cross), axis=1) + 0.01 * 10.5
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    unweighted = np.mean(density + cross, axis=1) + 0.01 * 10.5
    assert np.abs(np.asarray(found) - unweighted).max() > 1e-2  # wrong: no bootstrap

    @jax.jit
    @jax.grad
    def slope(nets, beta):
        return jnp.sum(losses(nets, batch, Rates(1e-3, 0.0, beta, 1.0)))

    # d loss / d bias of the mean k = mean_i w_i (mu - y) / sigma^2 / K, times sigma^(2 beta).
    variance = np.exp(log_variance)
    for beta in (0.0, 0.5):
        gradient = slope(stacked, beta).network.layers[-1].bias[:, :2]
        each = weight.T[..., None] * (mean - y) / variance ** (1 - beta) / 2
        np.testing.assert_allclose(gradient, each.mean(axis=1), rtol=1e-10)


def test_log_variances_stay_within_their_bounds():
    one = jax.tree.map(lambda leaf: leaf[0], network())
    spread = jax.jit(lambda net: net(jnp.zeros(3)).log_variance)
    slope = jax.jit(jax.grad(lambda net: jnp.sum(net(jnp.zeros(3)).log_variance)))
    for raw in (-1e6, 0.0, 1e6):
        bias = one.network.layers[-1].bias.at[2:4].set(raw)
        odd = eqx.tree_at(lambda net: net.network.layers[-1].bias, one, bias)
        found = spread(odd)
        assert np.all(found >= one.lowest - 1e-5)
        assert np.all(found <= one.highest + 1e-2)
        assert np.isfinite(slope(odd).highest).all()


def test_bootstrap_weights_are_poisson_and_belong_to_the_step():
    values = jax.random.normal(KEY, (20000, 3))
    weights = np.asarray(bootstrap_weights(values, 4))
    # 20,000 draws: standard error of the mean 0.007, of the variance 0.012; 4.5 of them.
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.032)
    np.testing.assert_allclose(weights.var(axis=0), 1.0, atol=0.055)
    np.testing.assert_allclose((weights == 0).mean(axis=0), np.exp(-1), atol=0.016)
    correlation = np.corrcoef(weights.T) - np.eye(4)
    assert np.abs(correlation).max() < 0.04
    again = bootstrap_weights(values[::-1], 4)[::-1]
    np.testing.assert_array_equal(weights, again)
    np.testing.assert_array_equal(bootstrap_weights(values, 1), 1.0)


def test_odd_inputs_are_not_blown_up():
    """A constant, a nearly constant input and a huge offset, in single precision."""
    rng = np.random.default_rng(0)
    x = np.c_[np.full(400, 3.1), 5e4 + 1e-3 * rng.normal(size=400), 1e4 + rng.normal(size=400)]
    scale = Scale.of(Moments.of(jnp.asarray(x, float)))
    np.testing.assert_array_equal(scale.std > 0, [False, False, True])
    moved = jnp.array([[3.2, 5e4 + 1.0, 1e4 + 1.0]])
    np.testing.assert_allclose(scale.normalize(moved)[0, :2], 0.0)
    assert abs(float(scale.normalize(moved)[0, 2]) - 1.0) < 0.15
    single = x.astype(np.float32)
    naive = (np.asarray(moved) - single.mean(axis=0)) / (single.std(axis=0) + 1e-8)
    assert np.abs(naive).max() > 1e2  # wrong: divided by what is rounding
    far = scale.normalize(jnp.array([[3.1, 5e4, 2e4]]))
    assert np.abs(far).max() <= 10.0  # and what leaves the data stays finite


@pytest.mark.slow
def test_models_of_odd_inputs_plan():
    data = noisy_steps(300)
    extra = np.c_[np.full(300, 1e4), 1e4 + np.random.default_rng(0).normal(size=300)]
    data = data._replace(
        observation=np.c_[data.observation, extra], next_observation=np.c_[data[3], extra]
    )
    model, report = dataclasses.replace(SMALL, n_epochs=2).fit(KEY, data)
    assert np.isfinite(report.model_error)
    planner = CrossEntropyPlanner(model, n_candidates=20, n_elites=4, horizon=5)
    state = model.state_of(jnp.array([0.0, 3.0, 1e4 + 5, 9e3]))
    plan = PLAN(planner, state)
    assert np.isfinite(plan.value)


@pytest.mark.slow
def test_it_learns_from_batches_and_measures_before_it_does():
    model = dataclasses.replace(SMALL, n_batches=30).configure(Box(-9, 9, (2,)), Discrete(2))
    model = jax.jit(lambda model, key: model.initialize(key))(model, KEY)
    steps = as_trajectories(DATA)
    rng = np.random.default_rng(0)
    errors = []
    for start in range(0, 400, 50):
        fresh = jax.tree.map(lambda leaf, start=start: leaf[start : start + 50], steps)
        chosen = rng.integers(0, start + 50, (30, 1, 64))
        batches = jax.tree.map(lambda leaf, chosen=chosen: leaf[chosen, 0], steps)
        before = model
        model, found = UPDATE(model, fresh, batches)
        errors.append(float(found.model_error))
        assert jax.tree.structure(model) == jax.tree.structure(before)
    assert errors[0] > 0.8  # it had seen nothing
    assert errors[-1] < 0.45
    assert float(found.transitions) == 400
    assert np.isfinite(found.loss)
    assert int(model.knowledge.starts.count) > 10
    # Nothing drawn: moments grow and the networks stay.
    empty = batches._replace(valid=jnp.zeros_like(batches.valid))
    after, found = UPDATE(model, fresh, empty)
    learners = (jax.tree.leaves(m.knowledge.learner) for m in (after, model))
    for one, other in zip(*learners, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isnan(found.loss)


def test_functions_of_ones_own_are_not_learnt():
    model = EnsembleModel(
        n_members=2,
        hidden=(4,),
        reward=lambda o, a, following: -jnp.sum(following**2) - a[0],
        termination=lambda o, a, following: following[0] > 0,
    ).configure(Box(-1, 1, (2,)), Box(-1, 1, (1,)))
    assert model.knowledge.targets.mean.shape == (2,)
    state = model.state_of(jnp.array([0.5, 0.2]))
    after, out = eqx.filter_jit(EnsembleModel.step)(model, KEY, state, jnp.array([0.3]))
    wanted = -float(jnp.sum(after.observation**2)) - 0.3
    np.testing.assert_allclose(out.reward, wanted, rtol=1e-5)
    assert bool(out.terminated) == (float(after.observation[0]) > 0)
    assert np.all(np.abs(after.observation) <= 1)  # within the bounds of the space


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"observation": np.zeros((1500, 2)), "next_observation": np.zeros((1500, 2))}, "the same"),
        ({"observation": np.zeros(1500), "next_observation": np.zeros(1500)}, "TabularModel's"),
        ({"action": np.full(1500, -1)}, r"action\[0\] = -1"),
        ({"weight": np.r_[np.ones(5), np.zeros(1495)]}, "5 rows to fit to: it needs at least 10"),
    ],
)
def test_data_that_cannot_be_fitted_are_refused(change, match):
    with pytest.raises(UpslopeError, match=match):
        SMALL.fit(KEY, DATA._replace(**change))


def test_data_of_another_environment_are_refused():
    model = SMALL.configure(Box(-1, 1, (2,)), Discrete(2))
    with pytest.raises(UpslopeError, match=r"action\[0\] = 0.5"):
        model.fit(KEY, DATA._replace(action=np.full(1500, 0.5)))
    with pytest.raises(UpslopeError, match=r"observations of shape \(1,\)"):
        model.fit(
            KEY, DATA._replace(observation=np.ones((1500, 1)), next_observation=np.ones((1500, 1)))
        )
    numbers = SMALL.configure(Box(-1, 1, (2,)), Box(-1, 1, (2,)))
    with pytest.raises(UpslopeError, match="actions that are whole numbers per step"):
        numbers.fit(KEY, DATA)


@pytest.mark.parametrize(
    ("observed", "actions", "match"),
    [
        (Discrete(3), Discrete(2), "TabularModel"),
        (Box(0, 255, (8, 8, 3), np.uint8), Discrete(2), "images"),
        (Dict({"a": Box(-1, 1, (2,))}), Discrete(2), "one vector"),
        (Box(-1, 1, (2,)), MultiDiscrete([2, 2]), "Box or Discrete"),
    ],
)
def test_spaces_that_are_no_vectors_are_refused(observed, actions, match):
    with pytest.raises(UpslopeError, match=match):
        SMALL.configure(observed, actions)


def test_bad_settings_are_refused():
    for settings, match in (
        ({"n_members": 0}, "n_members"),
        ({"holdout": 1.0}, "holdout"),
        ({"propagation": "ts2"}, "propagation"),
        ({"activation": "selu"}, "activation"),
        ({"beta": 2.0}, "beta"),
    ):
        with pytest.raises(UpslopeError, match=match):
            EnsembleModel(**settings)
    with pytest.raises(UpslopeError, match="no spaces yet"):
        EnsembleModel().reset(KEY)
