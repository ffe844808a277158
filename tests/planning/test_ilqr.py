"""iLQR against the Riccati equation, SciPy's optimisers and its wrong variants."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

sys.path.insert(0, str(Path(__file__).parent))
from planning_problems import Graph, Targets, quadratic

import upslope
from upslope.core.checks import UpslopeError
from upslope.core.positive_part import positive_part
from upslope.environments import CartPole, CartPoleSwingUp, LinearQuadratic, Pendulum
from upslope.exact import (
    QuadraticCost,
    linear_quadratic_problem,
    linear_quadratic_regulator,
    optimal_control,
)
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.planning import ILQR, simulate
from upslope.planning.box_quadratic import minimize_quadratic

KEY = jax.random.key(0)


@jax.jit
def plan(planner, state, key=KEY):
    return planner.plan(key, state, planner.initial_memory())


def drawn_system(n=3, m=2):
    rng = np.random.default_rng(0)
    return LinearQuadratic(
        A=0.6 * rng.normal(size=(n, n)), B=rng.normal(size=(n, m)), R=0.5 * np.eye(m)
    )


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_one_iteration_is_the_riccati_equation(gamma, x64):
    """Exactly, from controls drawn at random, with a terminal value, in a noisy system."""
    system, horizon = drawn_system(), 7
    objective = DiscountedReturn(gamma) if gamma < 1 else EpisodicReturn()
    last = QuadraticCost(2 * jnp.eye(3), jnp.ones(3), jnp.asarray(0.5))
    planner = ILQR(
        system,
        objective,
        horizon=horizon,
        n_iterations=1,
        std=1.0,
        terminal_value=lambda state, observation: -last(state),
    )
    exact = linear_quadratic_regulator(
        linear_quadratic_problem(system.without_noise()), gamma, horizon, last
    )
    state = jnp.array([1.0, -2.0, 0.5])
    found = plan(planner, state)
    np.testing.assert_allclose(found.action, exact.at(0)(state), rtol=1e-10)
    np.testing.assert_allclose(found.extras.gains, exact.gain, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.value, -exact.at(0).cost_to_go(state), rtol=1e-10)


class _Foreseen(LinearQuadratic):
    """A wrong variant: it does not say what its steps are without noise."""

    def without_noise(self):
        return self


@pytest.mark.slow
def test_noise_is_not_foreseen():
    """A plan that knows the noise to come is better than any policy can be."""
    state = jnp.array([1.0, -0.5])
    exact = optimal_control(quadratic(0.5), EpisodicReturn(horizon=8))
    found = plan(ILQR(quadratic(0.5), horizon=8), state)
    np.testing.assert_allclose(found.action, exact.gain[0] @ state, rtol=1e-3)
    noisy = quadratic(0.5)
    wrong = _Foreseen(noisy.A, noisy.B, noisy.Q, noisy.R, noisy.noise_factor)
    planner = ILQR(wrong, horizon=8)
    keys = jax.random.split(KEY, 8)
    acts = jax.jit(jax.vmap(lambda k: planner.plan(k, state, planner.initial_memory()).action))(
        keys
    )
    assert np.std(acts) > 0.05


def cost_of(environment, state, gamma=1.0):
    """Minus the return of controls, and its slope: the reference for SciPy."""

    @jax.jit
    def both(u):
        return jax.value_and_grad(lambda u: -simulate(KEY, environment, state, u[:, None], gamma))(
            u
        )

    return lambda u: tuple(np.asarray(x, float) for x in both(jnp.asarray(u)))


@pytest.mark.slow
def test_the_pendulum_within_its_limits_against_scipy(x64):
    """The same minimum as L-BFGS-B, with controls at their bounds, and no slope in the others."""
    environment, horizon = Pendulum(), 14
    state = jnp.array([2.5, 0.0])
    planner = ILQR(environment, horizon=horizon, n_iterations=60, std=0.0, tolerance=1e-12)
    found = plan(planner, state)
    cost = cost_of(environment, state)
    start = np.asarray(found.extras.controls[:, 0])
    want = scipy.optimize.minimize(
        cost,
        np.clip(start + 0.1 * np.sin(np.arange(horizon)), -2, 2),
        jac=True,
        bounds=[(-2, 2)] * horizon,
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000},
    )
    assert bool(found.extras.converged)
    np.testing.assert_allclose(-found.value, want.fun, rtol=1e-6)
    value, slope = cost(start)
    np.testing.assert_allclose(-found.value, value, rtol=1e-10)
    free = np.abs(start) < 2
    assert 0 < free.sum() < horizon
    assert np.abs(slope[free]).max() < 1e-3
    # The clamped ones would go further: a bound that is ignored would be seen.
    assert np.all(slope[~free] * np.sign(start[~free]) <= 1e-6)


@pytest.mark.slow
def test_returns_never_fall_and_the_plan_is_worth_what_it_says():
    planner = ILQR(CartPoleSwingUp(), horizon=40, n_iterations=30, std=1.0, tolerance=0.0)
    state, _ = CartPoleSwingUp().reset(KEY)
    found = plan(planner, state)
    returns = np.asarray(found.extras.returns)
    assert np.all(np.diff(returns) >= 0)
    assert returns[-1] > 2 * returns[0]
    worth = simulate(KEY, CartPoleSwingUp(), state, found.extras.controls, 1.0)
    np.testing.assert_allclose(found.value, worth, rtol=1e-4)


class _Edge(LinearQuadratic):
    """A line that ends beyond 1, where it pays 3, and is then no number."""

    def step(self, key, state, action):
        after, out = super().step(key, state, action)
        over = after[0] > 1.0
        reward = jnp.where(over, 3.0, out.reward)
        after = jnp.where(state > 1.0, jnp.nan, after)
        return after, out._replace(reward=reward, terminated=over)


@pytest.mark.slow
def test_what_comes_after_the_end_counts_nothing():
    edge = _Edge([[1.0]], [[1.0]], [[1.0]], [[1.0]], noise_factor=[[0.0]])
    planner = ILQR(edge, horizon=6, std=1.0, n_iterations=3)
    for key in jax.random.split(KEY, 3):
        found = plan(planner, jnp.array([0.9]), key)
        worth = simulate(KEY, edge, jnp.array([0.9]), found.extras.controls, 1.0)
        assert np.isfinite(found.value)
        np.testing.assert_allclose(found.value, worth, rtol=1e-5)
        assert np.isfinite(found.extras.gains).all()


@pytest.mark.slow
def test_a_warm_start_goes_on_where_the_last_plan_ended():
    environment = Pendulum()
    planner = ILQR(environment, horizon=10, n_iterations=1)
    state = jnp.array([1.0, 0.0])
    first = plan(planner, state)
    np.testing.assert_array_equal(first.memory.controls[:-1], first.extras.controls[1:])
    assert not bool(first.memory.fresh)
    again = jax.jit(planner.plan)(KEY, state, first.memory)
    other = jax.jit(planner.plan)(jax.random.key(1), state, first.memory)
    np.testing.assert_array_equal(again.action, other.action)  # no noise but on the first plan
    cold = ILQR(environment, horizon=10, n_iterations=1, warm_start=False)
    assert cold.initial_memory() == ()
    np.testing.assert_allclose(plan(cold, state).action, first.action, rtol=1e-6)


@pytest.mark.slow
def test_batched_equals_single():
    planner = ILQR(Pendulum(), horizon=6, n_iterations=4)
    keys = jax.random.split(KEY, 3)
    states, _ = jax.vmap(Pendulum().reset)(keys)
    batched = jax.jit(jax.vmap(planner.plan, (0, 0, None)))
    many = batched(keys, states, planner.initial_memory())
    for n in range(3):
        np.testing.assert_allclose(
            many.action[n], plan(planner, states[n], keys[n]).action, rtol=1e-3
        )
    program = batched.lower(keys, states, planner.initial_memory()).compile().as_text()
    assert "lapack" not in program


@pytest.mark.learning
@pytest.mark.slow
def test_swings_up():
    """The pendulum about as well as CEM does, and the cart-pole from every start."""
    found = upslope.evaluate("Pendulum-v1", planner="ilqr", episodes=20)
    assert found.returns.mean() > -150
    found = upslope.evaluate("cartpole-swing-up", planner="ilqr", episodes=2, horizon=50)
    assert found.returns.min() > 0.8 * 500


@pytest.mark.parametrize("seed", range(3))
def test_quadratics_within_bounds_against_scipy(seed, x64):
    rng = np.random.default_rng(seed)
    root, slope = rng.normal(size=(4, 4)), 3 * rng.normal(size=4)
    matrix = root @ root.T + 0.01 * np.eye(4)
    low, high = -np.ones(4), np.array([0.5, 1.0, np.inf, 0.2])
    found = jax.jit(minimize_quadratic)(matrix, slope, low, high)
    want = scipy.optimize.minimize(
        lambda x: 0.5 * x @ matrix @ x + slope @ x,
        np.zeros(4),
        jac=lambda x: matrix @ x + slope,
        bounds=list(zip(low, high, strict=True)),
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    np.testing.assert_allclose(found.x, want.x, atol=1e-5)
    held = (np.abs(found.x - low) < 1e-12) | (np.abs(found.x - high) < 1e-12)
    np.testing.assert_array_equal(~held, found.free)
    # A wrong variant: the unbounded minimum, clipped.
    clipped = np.clip(np.linalg.solve(matrix, -slope), low, high)
    assert np.abs(clipped - want.x).max() > 1e-3


def test_the_positive_part_against_an_eigendecomposition(x64):
    rng = np.random.default_rng(0)
    for n in (1, 3, 6):
        matrix = rng.normal(size=(n, n))
        matrix = matrix + matrix.T
        values, vectors = np.linalg.eigh(matrix)
        want = (vectors * np.maximum(values, 0)) @ vectors.T
        np.testing.assert_allclose(positive_part(jnp.asarray(matrix)), want, atol=1e-12)
    assert not np.any(positive_part(jnp.zeros((2, 2))))


class _Callback(Pendulum):
    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        shape = jax.ShapeDtypeStruct((), out.reward.dtype)
        reward = jax.pure_callback(lambda r: r, shape, out.reward, vmap_method="sequential")
        return state, out._replace(reward=reward)


class _Switch(Pendulum):
    def step(self, key, state, action):
        return super().step(key, state, jnp.sign(action))


@pytest.mark.parametrize(
    ("environment", "settings", "reason"),
    [
        (CartPole(), {}, r"CartPole with the actions Discrete\(2\).*'cem'"),
        (Targets.drawn(), {}, r"whose state has no real numbers"),
        (Graph.drawn(), {}, r"actions Discrete"),
        (_Callback(), {}, r"cannot differentiate a step of _Callback.*'cem'"),
        (_Switch(), {}, r"neither the next state nor the reward changes smoothly"),
        ("Pendulum-v1", {}, r"must be an upslope Environment"),
        (Pendulum(), {"horizon": 0}, r"horizon=0"),
        (Pendulum(), {"n_iterations": 0}, r"n_iterations=0"),
        (Pendulum(), {"std": -1.0}, r"std=-1"),
        (Pendulum(), {"warm_start": "no"}, r"warm_start='no'"),
    ],
)
def test_refusals(environment, settings, reason):
    with pytest.raises(UpslopeError, match=f"(?s){reason}"):
        ILQR(environment, **settings)
