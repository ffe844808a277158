"""Least squares: exact without noise, NumPy's answer with it, and what it cannot know by name."""

import dataclasses
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "environments"))
from environment_checks import check_environment
from model_data import as_trajectories, rows

from upslope import exact
from upslope.core.checks import UpslopeError
from upslope.core.symmetric_eigen import symmetric_eigen
from upslope.environments import LinearQuadratic
from upslope.exact.linear_quadratic import value_of_gain
from upslope.models import LinearGaussianModel
from upslope.objectives import DiscountedReturn

KEY = jax.random.key(0)
UPDATE = eqx.filter_jit(lambda model, fresh: model.update(KEY, fresh, None))
RNG = np.random.default_rng(0)
A, B = np.array([[0.9, 0.2, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]]), RNG.normal(size=(3, 2))
C, Q, R = np.array([0.1, -0.2, 0.3]), np.diag([1.0, 2.0, 0.5]), np.array([[1.0, 0.2], [0.2, 0.5]])


def steps(n=120, noise=0.0, offset=0.0, seed=1):
    """Of a system around `offset`, with its quadratic reward."""
    rng = np.random.default_rng(seed)
    x, u = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    following = x @ A.T + u @ B.T + C + noise * rng.normal(size=(n, 3))
    reward = -np.einsum("ni,ij,nj->n", x, Q, x) - np.einsum("ni,ij,nj->n", u, R, u)
    return rows(x + offset, u, reward, following + offset)


def test_noiseless_data_give_the_system(x64):
    model, report = LinearGaussianModel().fit(KEY, steps())
    system = model.system()
    for found, true in zip(system, (A, B, C, np.zeros((3, 3)), Q, R), strict=False):
        np.testing.assert_allclose(found, true, atol=1e-10)
    for found in (system.S, system.q, system.p, system.k):
        np.testing.assert_allclose(found, 0, atol=1e-10)
    assert report.model_error < 1e-10
    assert report.unknown == ()


def test_it_is_numpys_least_squares(x64):
    data = steps(noise=0.3)
    model, _ = LinearGaussianModel().fit(KEY, data)
    system = model.system()
    inputs = np.c_[data.observation, data.action, np.ones(120)]
    wanted, residual, _, _ = np.linalg.lstsq(inputs, data.next_observation, rcond=None)
    found = np.concatenate([system.A, system.B, system.c[:, None]], axis=1)
    np.testing.assert_allclose(found, wanted.T, atol=1e-12)
    covariance = np.asarray(system.noise_factor @ system.noise_factor.T)
    np.testing.assert_allclose(np.diagonal(covariance), residual / (120 - 6), rtol=1e-10)
    without, *_ = np.linalg.lstsq(inputs[:, :5], data.next_observation, rcond=None)
    assert np.abs(found[:, :5] - without.T).max() > 1e-2  # wrong: no intercept


def test_a_ridge_is_in_units_of_the_inputs(x64):
    data = steps(noise=0.3)
    scaled = data._replace(action=1000.0 * data.action)
    one = LinearGaussianModel(ridge=0.1).fit(KEY, data)[0].system()
    other = LinearGaussianModel(ridge=0.1).fit(KEY, scaled)[0].system()
    np.testing.assert_allclose(one.B, 1000 * other.B, rtol=1e-9)
    free = LinearGaussianModel().fit(KEY, data)[0].system()
    assert np.linalg.norm(one.B) < np.linalg.norm(free.B)


def test_updates_end_where_fit_does(x64):
    data = steps(noise=0.2)
    fitted, _ = LinearGaussianModel().fit(KEY, data)
    model = LinearGaussianModel().configure(Box(-9, 9, (3,)), Box(-1, 1, (2,)))
    fresh = as_trajectories(data, 2)
    for start in range(0, 60, 15):
        part = jax.tree.map(lambda leaf, start=start: leaf[start : start + 15], fresh)
        model, found = UPDATE(model, part)
    one, other = model.system()._asdict(), fitted.system()._asdict()
    for system in (one, other):  # the factor of a covariance is not unique
        system["noise_factor"] = system["noise_factor"] @ system["noise_factor"].T
    for name, matrix in one.items():
        np.testing.assert_allclose(matrix, other[name], atol=1e-8, err_msg=name)
    assert float(found.transitions) == 120
    assert 0.75 < float(found.coverage) <= 1
    assert 0.1 < float(found.model_error) < 0.6
    assert float(found.reward_error) < 1e-8


def test_large_offsets_do_not_drown_the_system():
    """In single precision, 1000 standard deviations from zero, and from sums alone."""
    model = LinearGaussianModel().configure(Box(-9, 9, (3,)), Box(-1, 1, (2,)))
    fresh = as_trajectories(steps(offset=1e3), 2)
    model, _ = UPDATE(model, fresh)
    np.testing.assert_allclose(model.system().A, A, atol=2e-3)
    data = steps(offset=1e3)
    z = np.c_[data.observation, data.action, np.ones(120)].astype(np.float32)
    naive = np.linalg.solve(z.T @ z, z.T @ data.next_observation.astype(np.float32))
    assert np.abs(naive[:3].T - A).max() > 1e-2  # wrong: products of what was not centred


def test_directions_without_data_have_names():
    data = steps()
    tied = data._replace(action=np.c_[data.action[:, 0], 2 * data.action[:, 0]])
    model, report = LinearGaussianModel().fit(KEY, tied)
    assert len(report.unknown) == 1
    assert "0.71 action[0]" in report.unknown[0]
    assert "0.71 action[1]" in report.unknown[0]
    assert np.isfinite(model.system().B).all()
    assert int(np.sum(np.asarray(model.knowledge.dynamics.excitation) == 0)) == 1
    still = data._replace(action=np.full((120, 2), 0.5))
    _, report = LinearGaussianModel().fit(KEY, still)
    names = sorted(line.split("direction ")[1].split(" (")[0][1:] for line in report.unknown)
    assert names == ["1.00 action[0]", "1.00 action[1]"]


def test_few_rows_name_what_is_missing(x64):
    data = jax.tree.map(lambda leaf: leaf[:7], steps())
    _, report = LinearGaussianModel(reward=lambda x, u, y: x[0]).fit(KEY, data)
    assert report.unknown == ()
    with pytest.raises(UpslopeError, match="5 rows to fit 5 inputs"):
        LinearGaussianModel().fit(KEY, jax.tree.map(lambda leaf: leaf[:5], data))


@pytest.mark.slow
def test_control_of_the_fitted_system_is_nearly_optimal(x64):
    """From 300 noisy steps of Dean et al.'s system the cost is within one percent."""
    true = LinearQuadratic(Q=np.eye(3), noise_factor=0.1 * np.eye(3))
    rng = np.random.default_rng(3)
    x, u = rng.normal(size=(300, 3)), rng.normal(size=(300, 3))
    following = x @ true.A.T + u @ true.B.T + 0.1 * rng.normal(size=(300, 3))
    reward = -np.sum(x**2, axis=1) - np.sum(u**2, axis=1)
    found = LinearGaussianModel().fit(KEY, rows(x, u, reward, following))[0].system()
    objective = DiscountedReturn(0.95)
    fitted = LinearQuadratic(found.A, found.B, found.Q, found.R, true.noise_factor)
    best = exact.optimal_control(true, objective)
    gain = exact.optimal_control(fitted, objective).gain
    controller = exact.LinearGaussianController(jnp.pad(gain, ((0, 0), (0, 1))), jnp.zeros(3))
    reached = value_of_gain(controller, true, objective, None)
    assert best.value >= reached >= best.value * 1.01
    assert reached < best.value  # it is not the true one


@pytest.mark.slow
def test_it_is_an_environment():
    check_environment(LinearGaussianModel().fit(KEY, steps(noise=0.1))[0], steps=10)


def test_no_lapack_in_an_update():
    model = LinearGaussianModel().configure(Box(-9, 9, (3,)), Box(-1, 1, (2,)))
    fresh = as_trajectories(steps(), 2)
    step = jax.jit(jax.vmap(lambda model, fresh: model.update(KEY, fresh, None), (0, None)))
    both = jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * 2), model)
    text = step.lower(both, fresh).as_text()
    assert "lapack" not in text.lower()
    assert "dot_general" in text


def test_eigenvalues_are_lapacks(x64):
    for size in (1, 2, 5, 12):
        matrix = RNG.normal(size=(size, size))
        matrix = matrix @ matrix.T
        values, vectors = jax.jit(symmetric_eigen)(jnp.asarray(matrix))
        np.testing.assert_allclose(np.sort(values), np.linalg.eigvalsh(matrix), atol=1e-10)
        np.testing.assert_allclose(vectors @ jnp.diag(values) @ vectors.T, matrix, atol=1e-10)


def test_what_it_cannot_model_is_refused():
    model = LinearGaussianModel()
    for spaces, match in (
        ((Box(-1, 1, (3,)), Discrete(2)), "EnsembleModel takes Discrete"),
        ((Discrete(3), Box(-1, 1, (2,))), "TabularModel"),
        ((Box(-1, 1, (20,)), Box(-1, 1, (2,))), "reward=function"),
    ):
        with pytest.raises(UpslopeError, match=match):
            model.configure(*spaces)
    with pytest.raises(UpslopeError, match="ridge"):
        LinearGaussianModel(ridge=-1.0)
    ended = steps()._replace(terminated=np.arange(120) == 3)
    with pytest.raises(UpslopeError, match="1 rows that terminated"):
        model.fit(KEY, ended)
    with pytest.raises(UpslopeError, match="no spaces yet"):
        model.reset(KEY)
    own = dataclasses.replace(model, reward=lambda x, u, y: x[0]).fit(KEY, steps())[0]
    with pytest.raises(UpslopeError, match="has reward="):
        own.system()
