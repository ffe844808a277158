"""Linear-quadratic systems: J against enumeration-free truths, grad J in two ways, the optimum."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from upslope import exact
from upslope.core.checks import UpslopeError
from upslope.environments.linear_quadratic import LinearQuadratic
from upslope.exact.linear_loop import LinearGaussianController
from upslope.exact.linear_quadratic import ControllerGradient, value_of_gain
from upslope.objectives import AverageReward, AverageValue, DiscountedReturn, EpisodicReturn
from upslope.planning import LQR, PlanningActor
from upslope.policies import GaussianNetwork, LinearGaussian
from upslope.sampling.episode_returns import sample_returns

OBJECTIVES = [
    EpisodicReturn(horizon=7),
    DiscountedReturn(0.9),
    AverageReward(),
    AverageValue(0.9),
]
IDS = ["episodic", "discounted", "average", "average-value"]


def rotated(time_limit=None):
    """A system of three states and two controls with nothing diagonal or symmetric in it."""
    key = iter(jax.random.split(jax.random.key(0), 6))
    draw = lambda *shape: jax.random.normal(next(key), shape)  # noqa: E731
    root = draw(2, 2)
    return LinearQuadratic(
        A=0.4 * draw(3, 3),
        B=0.5 * draw(3, 2),
        Q=jnp.eye(3) + 0.2 * draw(3, 3),
        R=root @ root.T + jnp.eye(2),
        noise_factor=0.3 * draw(3, 2),
        initial_factor=draw(3, 3),
        time_limit=time_limit,
    )


def linear(weight, offset, log_std):
    """The library's policy with these numbers: u ~ N(weight^T x + offset, exp(log_std)^2)."""
    import equinox as eqx

    n, m = np.shape(weight)
    policy = LinearGaussian(jax.random.key(0), n, (m,))
    layer = policy.body.layer
    policy = eqx.tree_at(
        lambda p: (p.body.layer.weight, p.body.layer.bias, p.head.log_std),
        policy,
        (jnp.asarray(weight, float), jnp.asarray(offset, float), jnp.asarray(log_std, float)),
    )
    assert layer.weight.shape == (n, m)
    return policy


@pytest.fixture
def problem(x64):
    weight = 0.2 * jax.random.normal(jax.random.key(5), (3, 2))
    return linear(weight, [0.3, -0.2], [-0.5, -1.0]), rotated()


def expected_cost(policy, world, steps, gamma=1.0):
    """-sum gamma^t E r_t by numpy, moments of x and u step by step, and the last term alone."""
    layer = policy.body.layer
    K, b = np.asarray(layer.weight).T, np.asarray(layer.bias)
    S = np.diag(np.exp(2 * np.asarray(policy.head.log_std)))
    A, B, Q, R = (np.asarray(x) for x in (world.A, world.B, world.Q, world.R))
    L, L0 = np.asarray(world.noise_factor), np.asarray(world.initial_factor)
    mean, spread, total, cost = np.zeros(3), L0 @ L0.T, 0.0, 0.0
    for t in range(steps):
        u = K @ mean + b
        cost = mean @ Q @ mean + np.trace(Q @ spread)
        cost += u @ R @ u + np.trace(R @ (K @ spread @ K.T + S))
        total += gamma**t * cost
        F = A + B @ K
        mean, spread = A @ mean + B @ u, F @ spread @ F.T + B @ S @ B.T + L @ L.T
    return total, cost


@pytest.mark.slow
def test_value_equals_the_sum_of_expected_costs(problem):
    policy, world = problem
    close = lambda got, want: np.testing.assert_allclose(got, want, rtol=1e-10)  # noqa: E731
    close(exact.value(policy, world, EpisodicReturn(horizon=7)), -expected_cost(*problem, 7)[0])
    long, last = expected_cost(*problem, 2000, 0.9)
    close(exact.value(policy, world, DiscountedReturn(0.9)), -long)
    close(exact.value(policy, world, AverageReward()), -last)
    close(exact.value(policy, world, AverageValue(0.9)), -last / 0.1)
    close(exact.value(policy, world, DiscountedReturn(0.9), 5), -expected_cost(*problem, 5, 0.9)[0])
    close(exact.value(policy, world, AverageReward(), 5), -expected_cost(*problem, 5)[0] / 5)


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [None, 6])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=IDS)
def test_theorem_equals_differentiation_and_differences(problem, objective, horizon):
    policy, world = problem
    theta, unravel = jax.flatten_util.ravel_pytree(policy)
    by_theorem = exact.policy_gradient_theorem(policy, world, objective, horizon=horizon)
    slope = exact.gradient(policy, world, objective, horizon)
    flat = lambda tree: np.asarray(jax.flatten_util.ravel_pytree(tree)[0])  # noqa: E731
    np.testing.assert_allclose(flat(by_theorem), flat(slope), rtol=1e-8, atol=1e-10)
    step = 1e-6
    value = lambda theta: float(exact.value(unravel(theta), world, objective, horizon))  # noqa: E731
    differences = [
        (value(theta.at[i].add(step)) - value(theta.at[i].add(-step))) / (2 * step)
        for i in range(theta.size)
    ]
    np.testing.assert_allclose(flat(slope), differences, rtol=1e-5, atol=1e-6)


def test_the_wrong_theorem_without_the_noise_of_the_policy_is_seen(problem):
    """Moments of the loop without exploration: what a textbook's deterministic form would give."""
    policy, world = problem
    law = exact.linear_controller(policy, world)
    objective = DiscountedReturn(0.9)
    right = exact.gain_gradient(law, world, objective, None)
    wrong = exact.gain_gradient(law._replace(std=0 * law.std), world, objective, None)
    assert isinstance(right, ControllerGradient)
    truth = jax.grad(lambda law: value_of_gain(law, world, objective, None))(law)
    np.testing.assert_allclose(right.gain, truth.gain, rtol=1e-8)
    assert np.max(np.abs(wrong.gain - truth.gain)) > 1e-2


@pytest.mark.slow
def test_published_figures_of_the_system_of_dean_et_al(x64):
    """K = 0.1 I: cost 0.195066626 and gradient entry 0.4738082038; the best gain's first row."""
    world = LinearQuadratic(time_limit=None)
    policy = linear(-0.1 * np.eye(3), np.zeros(3), np.full(3, -40.0))
    objective = AverageReward()
    np.testing.assert_allclose(exact.value(policy, world, objective), -0.195066626, atol=1e-9)
    slope = exact.gradient(policy, world, objective)  # u = -K x: two signs cancel
    np.testing.assert_allclose(slope.body.layer.weight[0, 0], 0.4738082038, atol=1e-9, rtol=0)
    best = exact.optimal_control(world, objective)
    np.testing.assert_allclose(
        -best.gain[0], [0.0437309466, 0.0125086432, 0.0012693584], atol=1e-9, rtol=0
    )


def test_the_double_integrator(x64):
    world = LinearQuadratic(A=[[1.0, 1.0], [0.0, 1.0]], B=[[0.0], [1.0]], R=[[1.0]])
    best = exact.optimal_control(world, AverageReward())
    np.testing.assert_allclose(-best.gain, [[0.4220824404, 1.2439288539]], atol=1e-9)
    np.testing.assert_allclose(
        best.cost_to_go, [[2.9471229667, 2.3692054071], [2.3692054071, 4.6131342610]], atol=1e-9
    )


@pytest.mark.parametrize("gamma", [None, 0.7])
def test_the_best_gain_is_scipys_and_nothing_beats_it(x64, gamma):
    world = rotated()
    objective = AverageReward() if gamma is None else DiscountedReturn(gamma)
    best = exact.optimal_control(world, objective)
    root = 1.0 if gamma is None else gamma**0.5
    Q = (np.asarray(world.Q) + np.asarray(world.Q).T) / 2
    wanted = scipy.linalg.solve_discrete_are(
        root * np.asarray(world.A), root * np.asarray(world.B), Q, np.asarray(world.R)
    )
    np.testing.assert_allclose(best.cost_to_go, wanted, rtol=1e-9, atol=1e-12)
    policy = linear(best.gain.T, np.zeros(2), np.full(2, -40.0))
    np.testing.assert_allclose(exact.value(policy, world, objective), best.value, rtol=1e-10)
    slope = exact.gradient(policy, world, objective).body.layer
    np.testing.assert_allclose(slope.weight, 0.0, atol=1e-8)
    np.testing.assert_allclose(slope.bias, 0.0, atol=1e-8)
    other = linear(best.gain.T + 0.01, np.zeros(2), np.full(2, -40.0))
    assert exact.value(other, world, objective) < best.value


def test_finite_gains_are_the_backward_recursion_and_tend_to_the_infinite_one(x64):
    world = rotated()
    best = exact.optimal_control(world, EpisodicReturn(horizon=60))
    forever = exact.optimal_control(world, AverageReward())
    np.testing.assert_allclose(best.gain[0], forever.gain, atol=1e-9)
    np.testing.assert_allclose(best.gain[-1], 0.0, atol=1e-12)  # the last control buys nothing
    # Its value against the moments under those very gains.
    A, B, R = (np.asarray(x) for x in (world.A, world.B, world.R))
    Q = np.asarray(world.Q)
    L, spread = np.asarray(world.noise_factor), np.asarray(world.initial_factor)
    spread, cost = spread @ spread.T, 0.0
    for K in np.asarray(best.gain):
        cost += np.trace(Q @ spread) + np.trace(K.T @ R @ K @ spread)
        spread = (A + B @ K) @ spread @ (A + B @ K).T + L @ L.T
    np.testing.assert_allclose(best.value, -cost, rtol=1e-10)


def test_exact_ascent_reaches_the_optimum(x64):
    """Fazel et al. (2018), theorem 7: plain gradient descent from a stabilising gain."""
    world = rotated()
    objective = AverageReward()
    law = exact.linear_controller(linear(np.zeros((3, 2)), np.zeros(2), np.full(2, -40.0)), world)

    @jax.jit
    def ascend(gain):
        def step(gain, _):
            credit = exact.gain_gradient(law._replace(gain=gain), world, objective, None)
            return gain + 0.1 * credit.gain, None

        return jax.lax.scan(step, gain, length=3000)[0]

    best = exact.optimal_control(world, objective)
    reached = value_of_gain(law._replace(gain=ascend(law.gain)), world, objective, None)
    np.testing.assert_allclose(reached, best.value, rtol=1e-6)


@pytest.mark.slow
def test_rollouts_agree():
    """|z| < 4.5 of 20,000 episodes: a false alarm in 150,000. A doubled noise is seen."""
    world, objective = rotated(time_limit=20), DiscountedReturn(0.9)
    policy = linear(0.1 * np.ones((3, 2)), [0.3, -0.2], [-0.5, -1.0])
    one = jax.tree.map(lambda leaf: leaf[None], policy)
    found, _ = jax.jit(lambda key: sample_returns(key, world, one, objective, 20_000, 20))(
        jax.random.key(1)
    )
    returns = np.asarray(found.returns, np.float64)[0]
    error = returns.std() / len(returns) ** 0.5
    z = lambda world: abs(returns.mean() - exact.value(policy, world, objective, 20)) / error  # noqa: E731
    assert z(world) < 4.5
    louder = LinearQuadratic(
        world.A, world.B, world.Q, world.R, 2 * world.noise_factor, world.initial_factor
    )
    assert z(louder) > 4.5


@pytest.mark.slow
def test_what_cannot_be_answered_is_refused(x64):
    world = LinearQuadratic(time_limit=None)
    idle = linear(np.zeros((3, 3)), np.zeros(3), np.zeros(3))
    with pytest.raises(UpslopeError, match=r"spectral radius 1\.02414"):
        exact.value(idle, world, AverageReward())
    with pytest.raises(UpslopeError, match=r"below 1\.00504"):
        exact.gradient(idle, world, DiscountedReturn(0.99))
    with pytest.raises(UpslopeError, match="needs a horizon"):
        exact.value(idle, world, EpisodicReturn())
    with pytest.raises(UpslopeError, match="not linear"):
        exact.value(
            GaussianNetwork(jax.random.key(0), 3, (3,), out_gain=1.0), world, AverageReward()
        )
    varying = LinearGaussian(jax.random.key(0), 3, (3,), state_dependent_std=True)
    varying = jax.tree.map(lambda leaf: leaf + 0.1, varying)
    with pytest.raises(UpslopeError, match="standard deviation"):
        exact.value(varying, world, EpisodicReturn(horizon=3))
    with pytest.raises(UpslopeError, match="got a table for a policy"):
        exact.value(np.full((3, 3), 1 / 3), world, EpisodicReturn(horizon=3))
    with pytest.raises(UpslopeError, match="got PlanningActor, an actor that is no policy"):
        exact.value(PlanningActor(LQR(LinearQuadratic())), world, EpisodicReturn(horizon=3))
    with pytest.raises(UpslopeError, match="form"):
        exact.policy_gradient_theorem(idle, world, EpisodicReturn(horizon=3), "episodic")
    with pytest.raises(UpslopeError, match="positive definite"):
        exact.optimal_control(LinearQuadratic(R=0 * np.eye(3)), AverageReward())
    stuck = LinearQuadratic(A=[[2.0]], B=[[0.0]], R=[[1.0]])
    with pytest.raises(UpslopeError, match="B does not reach"):
        exact.optimal_control(stuck, AverageReward())


@pytest.mark.parametrize(
    ("objective", "horizon"), [(AverageReward(), None), (DiscountedReturn(0.9), 5)]
)
def test_a_stationary_point_that_is_no_maximum_is_refused(x64, objective, horizon):
    """Costs that pay for large states: K = 0.49 earns more than K = 0, and so on without bound."""
    world = LinearQuadratic(0.5 * np.eye(1), np.eye(1), -10 * np.eye(1), np.eye(1))
    with pytest.raises(UpslopeError, match="There is no best gain"):
        exact.optimal_control(world, objective, horizon)


def test_a_mildly_indefinite_q_still_has_a_best_gain(x64):
    """R + B'PB > 0: no gain nearby earns more than the solution of the equation."""
    world = LinearQuadratic(0.5 * np.eye(1), np.eye(1), -0.1 * np.eye(1), np.eye(1))
    best = exact.optimal_control(world, AverageReward())
    values = [float(average_reward(world, best.gain + d)) for d in (-0.05, 0.0, 0.05)]
    assert values[1] == pytest.approx(float(best.value))
    assert values[1] > max(values[0], values[2])


def average_reward(world, gain):
    law = LinearGaussianController(jnp.pad(gain, ((0, 0), (0, 1))), jnp.zeros(1))
    return value_of_gain(law, world, AverageReward(), None)


def test_unstable_directions_that_cost_nothing(x64):
    world = LinearQuadratic(1.2 * np.eye(1), np.eye(1), 0 * np.eye(1), np.eye(1))
    with pytest.raises(UpslopeError, match="Q does not see them"):
        exact.optimal_control(world, AverageReward())
