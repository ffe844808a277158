"""The linear-quadratic regulator against SciPy, published numbers, closed forms and its faults."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize

from upslope.core.checks import UpslopeError
from upslope.core.dense_systems import positive_solve, solve
from upslope.environments import LinearQuadratic, Pendulum
from upslope.exact import (
    LinearQuadraticProblem,
    QuadraticCost,
    discrete_riccati,
    linear_quadratic_problem,
    linear_quadratic_regulator,
    optimal_control,
    solve_linear_quadratic,
    tracking_problem,
    value,
)
from upslope.objectives import AverageReward, DiscountedReturn, EpisodicReturn

SIZES = [(1, 1), (4, 2)]
riccati = jax.jit(discrete_riccati)


def drawn(seed, n=4, m=2, growth=1.2):
    """A random system, all numbers of it, with costs [[Q, N], [N', R]] that are convex."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n + m, n + m))
    costs = root @ root.T + 0.1 * np.eye(n + m)
    noise = rng.normal(size=(n, n))
    return LinearQuadraticProblem(
        growth * rng.normal(size=(n, n)) / np.sqrt(n),
        rng.normal(size=(n, m)),
        costs[:n, :n],
        costs[n:, n:],
        costs[:n, n:],
        offset=rng.normal(size=n),
        state_slope=rng.normal(size=n),
        action_slope=rng.normal(size=m),
        constant=rng.normal(),
        noise=0.1 * noise @ noise.T,
    )


def reference(problem, gamma=1.0):
    root = gamma**0.5
    arrays = root * problem.A, root * problem.B, problem.Q, problem.R
    return scipy.linalg.solve_discrete_are(*map(np.asarray, arrays), s=np.asarray(problem.N))


@pytest.mark.parametrize("size", SIZES)
def test_equals_scipy_on_random_systems(size, x64):
    for seed in range(50):
        problem = drawn(seed, *size)
        want = reference(problem)
        got = riccati(problem.A, problem.B, problem.Q, problem.R, problem.N)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-9 * np.abs(want).max())
        # A wrong variant: the cross term left out.
        wrong = riccati(problem.A, problem.B, problem.Q, problem.R, 0 * problem.N)
        assert np.abs(wrong - want).max() > 1e-3 * np.abs(want).max()


def test_single_precision_is_close_to_scipy():
    for seed in range(10):
        problem = drawn(seed)
        want = reference(problem)
        got = riccati(problem.A, problem.B, problem.Q, problem.R, problem.N)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-3 * np.abs(want).max())


@pytest.mark.slow
def test_published_numbers(x64):
    """python-control's dead beat, the golden ratio, two double integrators, Dean et al."""

    def solved(*arrays):
        found = linear_quadratic_regulator(LinearQuadraticProblem(*map(np.asarray, arrays)))
        return found.cost_to_go.matrix, -found.gain

    one = np.eye(1)
    P, K = solved(0.0 * one, one, 10 * one, 2 * one)
    assert P[0, 0] == 10
    assert K[0, 0] == 0
    P, _ = solved(one, one, one, one)
    np.testing.assert_allclose(P[0, 0], (1 + 5**0.5) / 2, rtol=1e-12)
    A, B = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[0.0], [1.0]])
    P, K = solved(A, B, np.eye(2), one)
    np.testing.assert_allclose(K[0], [0.4220824404, 1.2439288539], atol=1e-10)
    np.testing.assert_allclose(
        P, [[2.9471229667, 2.3692054071], [2.3692054071, 4.6131342610]], atol=1e-10
    )
    _, K = solved(A, B, np.diag([1.0, 0.0]), one)
    np.testing.assert_allclose(K[0], [0.4805338162, 1.2496210677], atol=1e-10)
    K = -solve_linear_quadratic(LinearQuadratic()).regulator.gain
    np.testing.assert_allclose(K[0], [0.0437309466, 0.0125086432, 0.0012693584], atol=1e-10)
    np.testing.assert_allclose(K[1, 1], 0.0450003051, atol=1e-10)


def bellman(problem, gamma, cost, x):
    """min over u of l + gamma E V(x'), by NumPy least squares on the quadratic in u."""
    p = jax.tree.map(lambda leaf: np.asarray(leaf), problem)

    def total(u):
        ahead = p.A @ x + p.B @ u + p.offset
        now = x @ p.Q @ x + u @ p.R @ u + 2 * x @ p.N @ u
        now += 2 * p.state_slope @ x + 2 * p.action_slope @ u + p.constant
        rest = ahead @ cost.matrix @ ahead + 2 * cost.slope @ ahead + cost.constant
        return float(now + gamma * (rest + np.sum(np.asarray(cost.matrix) * p.noise)))

    found = scipy.optimize.minimize(total, np.zeros(p.B.shape[1]), method="BFGS", tol=1e-10)
    return found.fun, found.x


@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_affine_problems_satisfy_bellmans_equation(gamma, x64):
    """In every state, with intercept, linear costs, cross term and noise."""
    problem = drawn(3)
    found = linear_quadratic_regulator(problem, gamma)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = rng.normal(size=4)
        want, control = bellman(problem, gamma, found.cost_to_go, x)
        got = float(found.cost_to_go(x)) + (float(found.average_cost) if gamma == 1 else 0.0)
        np.testing.assert_allclose(got, want, rtol=1e-7)
        np.testing.assert_allclose(found(x), control, atol=1e-5)
        # A wrong variant: the offset forgotten.
        assert np.abs(found.gain @ x - control).max() > 1e-2
    assert np.isnan(found.average_cost) == (gamma < 1)


def test_finite_horizons_satisfy_bellmans_equation_and_change_over_time(x64):
    problem = drawn(1)
    weights = jnp.linspace(1.0, 3.0, 6)
    varying = eqx.tree_at(lambda p: p.Q, problem, weights[:, None, None] * problem.Q[None])
    last = QuadraticCost(2 * jnp.eye(4), jnp.ones(4), jnp.asarray(1.0))
    found = linear_quadratic_regulator(varying, 0.95, horizon=6, final_cost=last)
    x = np.random.default_rng(0).normal(size=4)
    for step in (0, 5):
        now = eqx.tree_at(lambda p: p.Q, problem, varying.Q[step])
        ahead = last if step == 5 else found.at(step + 1).cost_to_go
        want, control = bellman(now, 0.95, ahead, x)
        np.testing.assert_allclose(found.at(step).cost_to_go(x), want, rtol=1e-7)
        np.testing.assert_allclose(found.at(step)(x), control, atol=1e-5)


def test_long_horizons_become_the_infinite_one(x64):
    problem = drawn(2)
    for gamma in (1.0, 0.9):
        infinite = linear_quadratic_regulator(problem, gamma)
        long = linear_quadratic_regulator(problem, gamma, horizon=300).at(0)
        np.testing.assert_allclose(long.gain, infinite.gain, rtol=1e-9)
        np.testing.assert_allclose(long.offset, infinite.offset, rtol=1e-9)
    np.testing.assert_allclose(long.cost_to_go.constant, infinite.cost_to_go.constant, rtol=1e-9)


def test_tracking_holds_a_rest_that_it_can_hold(x64):
    """A target at rest under u* costs nothing once reached, and the control there is u*."""
    A, B = np.array([[1.0, 0.3], [0.0, 0.8]]), np.array([[0.0], [0.3]])
    target = np.array([2.0, 0.0])
    offset = np.array([0.0, 0.15])
    hold = np.array([-0.5])
    problem = tracking_problem(A, B, np.eye(2), np.eye(1), target, hold, offset=offset)
    found = linear_quadratic_regulator(problem)
    np.testing.assert_allclose(found(target), hold, atol=1e-12)
    np.testing.assert_allclose(found.average_cost, 0.0, atol=1e-12)
    x = np.array([-1.0, 1.0])
    for _ in range(200):
        x = A @ x + B @ np.asarray(found(x)) + offset
    np.testing.assert_allclose(x, target, atol=1e-9)


def test_gradients_are_those_of_finite_differences(x64):
    """Of P, the gain and the average cost, in every number of the problem."""
    problem = drawn(5)
    weights = jax.random.normal(jax.random.key(0), (2, 5))

    @jax.jit
    def score(problem):
        found = linear_quadratic_regulator(problem)
        gains = jnp.concatenate([found.gain, found.offset[:, None]], axis=1)
        return jnp.sum(weights * gains) + found.average_cost + jnp.sum(found.cost_to_go.slope)

    gradient = jax.jit(jax.grad(score))(problem)
    direction = drawn(6)
    forward = sum(
        float(jnp.sum(a * b))
        for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
    )
    step = 1e-6
    moved = [
        float(score(jax.tree.map(lambda p, d, s=s: p + s * step * d, problem, direction)))
        for s in (1, -1)
    ]
    np.testing.assert_allclose(forward, (moved[0] - moved[1]) / (2 * step), rtol=1e-6)
    for leaf in jax.tree.leaves(gradient):
        assert np.abs(leaf).max() > 0


@pytest.mark.slow
def test_second_derivatives_and_vmap(x64):
    problem = drawn(7)

    def score(scale):
        return jnp.sum(
            discrete_riccati(problem.A, problem.B, scale * problem.Q, problem.R, problem.N)
        )

    slope = jax.jit(jax.grad(score))
    scales = jnp.array([1.0, 1.1])
    numeric = (slope(1.0 + 1e-5) - slope(1.0 - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jit(jax.hessian(score))(1.0), numeric, rtol=1e-5)
    many = jax.jit(jax.vmap(score))(scales)
    np.testing.assert_allclose(many, [score(s) for s in scales], rtol=1e-10)
    program = jax.jit(jax.vmap(jax.grad(score))).lower(scales).compile().as_text()
    assert "lapack" not in program


@pytest.mark.slow
def test_the_solution_of_an_environment_is_the_optimum_of_the_exact_layer(x64):
    environment = LinearQuadratic()
    for objective, settings in [
        (AverageReward(), {}),
        (DiscountedReturn(0.95), {"gamma": 0.95}),
        (EpisodicReturn(horizon=9), {"horizon": 9}),
    ]:
        found = solve_linear_quadratic(environment, **settings)
        best = optimal_control(environment, objective)
        np.testing.assert_allclose(found.value, best.value, rtol=1e-9)
        np.testing.assert_allclose(found.regulator.gain, best.gain, rtol=1e-9)
        if not settings.get("horizon"):
            np.testing.assert_allclose(
                value(found.policy, environment, objective), best.value, rtol=1e-9
            )
            assert 0 <= found.residual < 1e-12
            assert found.bound < 1e-9


def test_the_bound_holds_where_the_solution_is_worse(x64):
    """In single precision the true error is below the bound, and not far below."""
    environment = LinearQuadratic()
    exact = linear_quadratic_regulator(linear_quadratic_problem(environment))
    with jax.enable_x64(False):
        single = linear_quadratic_regulator(linear_quadratic_problem(LinearQuadratic()))
    error = np.abs(np.asarray(single.cost_to_go.matrix) - np.asarray(exact.cost_to_go.matrix)).max()
    assert error <= single.bound + 1e-7
    assert single.bound < 1e-4


ONE, TWO = np.eye(1), np.eye(2)
GROWS = np.diag([1.2, 0.5])


@pytest.mark.parametrize(
    ("arrays", "settings", "reason"),
    [
        ((TWO, TWO, TWO, 0 * TWO), {}, r"singular.*Raise R"),
        ((TWO, TWO, TWO, np.diag([1.0, 0.0])), {}, r"singular.*along \[0\. 1\.\]"),
        ((TWO, TWO, TWO, np.diag([1.0, -2.0])), {}, r"indefinite.*eigenvalue -2"),
        ((TWO, TWO, np.diag([1.0, -2.0]), TWO), {}, r"Q = .* not positive semidefinite.*-2"),
        ((TWO, TWO, TWO, TWO, 2 * TWO), {}, r"cross term N .* indefinite"),
        ((GROWS, np.array([[0.0], [1.0]]), TWO, ONE), {}, r"eigenvalue 1\.2, along \[1\. 0\.\]"),
        ((GROWS, np.array([[0.0], [1.0]]), TWO, ONE), {"gamma": 0.9}, r"in sqrt\(gamma\) A"),
        ((GROWS, TWO, np.diag([0.0, 1.0]), TWO), {}, r"\(A, Q\) is not detectable.*1\.2"),
        ((TWO, TWO, np.eye(3), TWO), {}, r"Q of shape \(3, 3\)"),
        ((TWO, TWO, np.nan * TWO, TWO), {}, r"Q with an entry that is not finite"),
        ((TWO, TWO, TWO, TWO), {"gamma": 0.0}, r"above 0"),
        ((TWO, TWO, TWO, TWO), {"horizon": 0}, r"horizon"),
        (
            (TWO, TWO, TWO, TWO),
            {"final_cost": QuadraticCost(TWO, np.zeros(2), np.zeros(()))},
            r"without a horizon",
        ),
    ],
)
def test_refusals(arrays, settings, reason):
    with pytest.raises(UpslopeError, match=f"(?s){reason}"):
        linear_quadratic_regulator(LinearQuadraticProblem(*arrays), **settings)


def test_what_is_refused_forever_is_answered_with_a_discount_or_a_horizon():
    problem = LinearQuadraticProblem(GROWS, np.array([[0.0], [1.0]]), TWO, ONE)
    assert np.isfinite(linear_quadratic_regulator(problem, 0.5).cost_to_go.matrix).all()
    assert np.isfinite(linear_quadratic_regulator(problem, horizon=5).gain).all()


def test_an_environment_that_is_not_linear_quadratic():
    with pytest.raises(UpslopeError, match=r"Pendulum is not known .* 'ilqr'"):
        linear_quadratic_problem(Pendulum())


@pytest.mark.parametrize("n", [1, 3, 7])
def test_dense_systems(n, x64):
    rng = np.random.default_rng(n)
    matrix, right = rng.normal(size=(n, n)), rng.normal(size=(n, 2))
    matrix[0, 0] = 0.0 if n > 1 else 1.0  # a pivot must be sought
    np.testing.assert_allclose(solve(matrix, right), np.linalg.solve(matrix, right), atol=1e-10)
    positive = matrix @ matrix.T
    found, pivots = positive_solve(jnp.asarray(positive), jnp.asarray(right))
    np.testing.assert_allclose(found, np.linalg.solve(positive, right), rtol=1e-6)
    np.testing.assert_allclose(np.prod(pivots), np.linalg.det(positive), rtol=1e-9)
    assert np.all(pivots > 0)
    shifted = positive - (np.linalg.eigvalsh(positive)[0] + 1e-3) * np.eye(n)
    assert positive_solve(jnp.asarray(shifted), jnp.asarray(right))[1].min() < 0
