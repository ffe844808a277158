"""The regulator as a planner, and the cross-entropy method beside it."""

import sys
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from planning_problems import quadratic

import upslope
from upslope.core.checks import UpslopeError
from upslope.environments import LinearQuadratic, LinearQuadraticGaussian, Pendulum
from upslope.exact import (
    linear_quadratic_problem,
    linear_quadratic_regulator,
    optimal_control,
    solve_linear_quadratic,
    tracking_problem,
    value,
)
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.planning import LQR, CrossEntropyPlanner

KEY = jax.random.key(0)
plan = jax.jit(lambda planner, state: planner.plan(KEY, state, planner.initial_memory()))


class System(NamedTuple):
    """What a fitted model says of itself."""

    A: jax.Array
    B: jax.Array
    c: jax.Array
    noise_factor: jax.Array
    Q: jax.Array
    R: jax.Array
    S: jax.Array
    q: jax.Array
    p: jax.Array
    k: jax.Array


class Fitted(LinearQuadratic):
    """A model with an intercept and a target: x' = ... + c, r = -(|x - 1|^2 + u^2/10 + wrong)."""

    wrong: float = eqx.field(static=True, default=0.0)

    def __init__(self, wrong=0.0):
        base = quadratic()
        super().__init__(base.A, base.B, np.eye(2), 0.1 * np.eye(1), 0 * np.eye(2))
        self.wrong = wrong

    def system(self):
        shift = -self.wrong * jnp.eye(2)
        zero = jnp.zeros((2, 1))
        ones = jnp.ones(2)
        return System(
            self.A, self.B, 0.1 * ones, self.noise_factor, self.Q + shift, self.R, zero,
            -2 * ones, jnp.zeros(1), jnp.asarray(2.0),
        )  # fmt: skip


class FittedModel(eqx.Module):
    model: Fitted

    def system(self):
        return self.model.system()


@pytest.mark.parametrize("horizon", [4, None])
def test_acts_by_the_riccati_equation(horizon):
    environment, gamma = quadratic(0.3), 0.9
    state = jnp.array([1.0, -0.5])
    found = plan(LQR(environment, DiscountedReturn(gamma), horizon), state)
    best = optimal_control(environment, DiscountedReturn(gamma), horizon)
    gain = best.gain if horizon is None else best.gain[0]
    np.testing.assert_allclose(found.action, gain @ state, rtol=1e-4)
    np.testing.assert_allclose(found.extras.gain, gain, rtol=1e-4)


def test_a_fitted_system_is_a_tracking_problem(x64):
    """Slopes are halved, the intercept counts; small negative eigenvalues are left out."""
    model = Fitted()
    want = linear_quadratic_regulator(
        tracking_problem(model.A, model.B, model.Q, model.R, np.ones(2), offset=0.1 * np.ones(2)),
        horizon=20,
    )
    got = linear_quadratic_regulator(linear_quadratic_problem(FittedModel(model)), horizon=20)
    np.testing.assert_allclose(got.gain, want.gain, atol=1e-3)
    np.testing.assert_allclose(got.offset, want.offset, atol=1e-3)
    np.testing.assert_allclose(got.cost_to_go.constant[0], want.cost_to_go.constant[0], rtol=1e-3)
    bent = linear_quadratic_problem(FittedModel(Fitted(wrong=1.01)))
    assert np.linalg.eigvalsh(bent.Q).min() >= -1e-9
    assert np.isfinite(linear_quadratic_regulator(bent, horizon=20).gain).all()


def test_nothing_known_is_nothing_done():
    """A model that was fitted to nothing: every matrix zero."""
    zero = System(
        jnp.eye(2), *(jnp.zeros(s) for s in [(2, 1), 2, (2, 2), (2, 2), (1, 1), (2, 1), 2, 1, ()])
    )
    problem = linear_quadratic_problem(type("Model", (), {"system": lambda self: zero})())
    found = jax.jit(lambda p: linear_quadratic_regulator(p, horizon=5))(problem)
    assert not np.any(found.gain)


@pytest.mark.slow
def test_cem_is_within_one_percent_of_it():
    """H = 12, as PlaNet plans; CEM sees the open loop, which without noise loses nothing."""
    environment, state = quadratic(), jnp.array([1.0, -0.5])
    best = plan(LQR(environment, horizon=12), state)
    planner = CrossEntropyPlanner(
        environment, n_candidates=1000, n_elites=100, n_iterations=20, horizon=12, std=2.0
    )
    found = plan(planner, state)
    assert 1.01 * float(best.value) < float(found.value) <= float(best.value) * (1 - 1e-6)
    few = plan(eqx.tree_at(lambda p: p.std, planner, 0.01), state)
    assert float(few.value) < 1.01 * float(best.value)  # a search too narrow to find it


@pytest.mark.slow
def test_episodes_earn_the_optimum():
    """|z| < 4.5 over 200 episodes."""
    environment = LinearQuadratic(time_limit=50)
    found = upslope.evaluate(environment, planner=LQR(environment, horizon=None), episodes=200)
    policy = solve_linear_quadratic(environment).policy
    want = float(value(policy, environment, EpisodicReturn(horizon=50)))
    returns = found.returns[0]
    assert found.model_steps == 0
    error = returns.std() / returns.size**0.5
    assert abs(returns.mean() - want) < 4.5 * error


def test_refusals():
    with pytest.raises(UpslopeError, match="Pendulum is not known to be linear-quadratic"):
        LQR(Pendulum())
    with pytest.raises(UpslopeError, match="horizon=0"):
        LQR(quadratic(), horizon=0)
    grows = LinearQuadratic(np.diag([1.2, 0.5]), np.array([[0.0], [1.0]]))
    with pytest.raises(UpslopeError, match=r"cannot be stabilised.*1\.2"):
        LQR(grows, horizon=None)
    assert LQR(grows).horizon == 100
    assert LQR(LinearQuadraticGaussian()).model_steps == 0
