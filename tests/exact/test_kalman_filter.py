"""The Kalman filter against conditioning of one joint Gaussian; LQG against exact covariances."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from upslope.core.checks import UpslopeError
from upslope.environments import LinearQuadratic, LinearQuadraticGaussian
from upslope.exact import (
    KalmanFilter,
    kalman_filter_of,
    linear_quadratic_gaussian_control,
    linear_quadratic_problem,
    linear_quadratic_regulator,
    solve_linear_quadratic,
)
from upslope.objectives import EpisodicReturn
from upslope.planning import KalmanFilterActor
from upslope.sampling.episode_returns import sample_returns

n, m, p, T = 3, 2, 2, 6


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    root = lambda k: 0.5 * rng.normal(size=(k, k))  # noqa: E731
    W, V, P = root(n), root(p) + np.eye(p), root(n)
    return KalmanFilter(
        0.6 * rng.normal(size=(n, n)),
        rng.normal(size=(n, m)),
        rng.normal(size=(p, n)),
        W @ W.T,
        V @ V.T,
        rng.normal(size=n),
        P @ P.T,
        rng.normal(size=n),
    )


def recording(kalman):
    rng = np.random.default_rng(7)
    return rng.normal(size=(T, p)), rng.normal(size=(T, m))


def joint(kalman, us):
    """Mean and covariance of all states [T n] and all observations [T p], by NumPy."""
    k = jax.tree.map(np.asarray, kalman)
    means, x = [], k.initial_mean
    for u in us:
        means.append(x)
        x = k.A @ x + k.B @ u + k.offset
    # x_t is a linear map of (x_0, w_0, ..., w_{T-1}).
    sources = scipy.linalg.block_diag(k.initial_covariance, *[k.process_noise] * (T - 1))
    rows = [np.hstack([np.eye(n), np.zeros((n, n * (T - 1)))])]
    for t in range(1, T):
        row = k.A @ rows[-1]
        row[:, n * t : n * (t + 1)] += np.eye(n)
        rows.append(row)
    F = np.vstack(rows)
    xx = F @ sources @ F.T
    H = np.kron(np.eye(T), k.C)
    yy = H @ xx @ H.T + np.kron(np.eye(T), k.observation_noise)
    mean = np.concatenate(means)
    return mean, xx, H @ mean, H @ xx, yy


def conditioned(kalman, ys, us, n_seen):
    """Mean and covariance of all states given the first observations."""
    mean, xx, y_mean, yx, yy = joint(kalman, us)
    k = n_seen * p
    gain = np.linalg.solve(yy[:k, :k], yx[:k]).T
    return mean + gain @ (ys.ravel()[:k] - y_mean[:k]), xx - gain @ yx[:k]


@pytest.mark.slow
def test_filter_smoother_and_likelihood_are_the_joint_gaussians(x64):
    kalman = drawn()
    ys, us = recording(kalman)
    found = jax.jit(lambda k: k.filter(ys, us))(kalman)
    smoothed = jax.jit(lambda k: k.smooth(ys, us))(kalman)
    for t in range(T):
        here = slice(n * t, n * (t + 1))
        for belief, n_seen in ((found.predicted, t), (found.updated, t + 1), (smoothed, T)):
            mean, covariance = conditioned(kalman, ys, us, n_seen)
            np.testing.assert_allclose(belief.mean[t], mean[here], atol=1e-10)
            np.testing.assert_allclose(belief.covariance[t], covariance[here, here], atol=1e-10)
    _, _, y_mean, _, yy = joint(kalman, us)
    want = scipy.stats.multivariate_normal(y_mean, yy).logpdf(ys.ravel())
    np.testing.assert_allclose(found.log_likelihood, want, rtol=1e-12)
    # Wrong variants: predicted before updated; controls of the next step.
    assert np.abs(found.predicted.mean - found.updated.mean).max() > 0.1
    late = jax.jit(lambda k: k.filter(ys, np.roll(us, 1, axis=0)))(kalman)
    assert np.abs(late.updated.mean - found.updated.mean).max() > 0.1


@pytest.mark.slow
def test_the_likelihood_has_the_slope_of_finite_differences(x64):
    kalman = drawn(1)
    ys, us = recording(kalman)

    @jax.jit
    def likelihood(scale):
        scaled = eqx.tree_at(
            lambda k: (k.A, k.observation_noise),
            kalman,
            (scale * kalman.A, scale**2 * kalman.observation_noise),
        )
        return scaled.filter(ys, us).log_likelihood

    numeric = (likelihood(1 + 1e-6) - likelihood(1 - 1e-6)) / 2e-6
    np.testing.assert_allclose(jax.jit(jax.grad(likelihood))(1.0), numeric, rtol=1e-6)


@pytest.mark.slow
def test_the_steady_state_is_scipys_and_where_the_filter_ends(x64):
    kalman = drawn(2)
    steady = kalman.steady_state()
    k = jax.tree.map(np.asarray, kalman)
    want = scipy.linalg.solve_discrete_are(k.A.T, k.C.T, k.process_noise, k.observation_noise)
    np.testing.assert_allclose(steady.predicted, want, atol=1e-9)
    belief = kalman.initial()
    step = jax.jit(lambda k, b: k.predict(k.update(b, jnp.zeros(p))[0], jnp.zeros(m)))
    for _ in range(200):
        belief = step(kalman, belief)
    np.testing.assert_allclose(belief.covariance, want, atol=1e-9)


def test_covariances_stay_positive_in_single_precision():
    """Joseph's form: an exact sensor after a vague start. The short form fails here."""
    kalman = KalmanFilter(np.eye(2), np.eye(2), [[1.0, 1.0]], 0 * np.eye(2), [[1e-6]])
    P = jnp.array([[1e4, 0.0], [0.0, 1e4]])
    belief = kalman.initial()._replace(covariance=P)
    update = jax.jit(lambda b: kalman.update(b, jnp.ones(1))[0])
    short = np.asarray(P)
    for _ in range(3):
        belief = update(belief)
        L = short @ np.ones((2, 1)) / (np.ones((1, 2)) @ short @ np.ones((2, 1)) + 1e-6)
        short = ((np.eye(2) - L @ np.ones((1, 2))) @ short).astype(np.float32)
    seen = np.ones(2)
    assert np.linalg.eigvalsh(np.asarray(belief.covariance, float))[0] > -1e-3
    assert 0 <= seen @ np.asarray(belief.covariance, float) @ seen < 1e-2


def noisy_system(time_limit=None):
    rng = np.random.default_rng(4)
    system = LinearQuadratic(
        A=np.array([[1.05, 0.4, 0.0], [0.0, 0.9, 0.3], [0.1, 0.0, 0.8]]),
        B=rng.normal(size=(n, m)),
        noise_factor=0.4 * np.eye(n),
        time_limit=time_limit,
    )
    return LinearQuadraticGaussian(system, rng.normal(size=(p, n)), np.eye(p))


def propagated(environment, gains, horizon, gamma=1.0):
    """Costs of each step of LQG by the joint second moments of state and predicted mean."""
    s = jax.tree.map(np.asarray, environment.system)
    C = np.asarray(environment.C)
    W, V = (
        s.noise_factor @ s.noise_factor.T,
        environment.observation_factor @ environment.observation_factor.T,
    )
    prior = s.initial_factor @ s.initial_factor.T
    P, M = prior.copy(), np.zeros((2 * n, 2 * n))
    M[:n, :n] = prior
    costs = []
    for K in gains[:horizon]:
        L = P @ C.T @ np.linalg.inv(C @ P @ C.T + V)
        # The mean after the observation: (I - L C) m + L C x + L v.
        pick = np.hstack([L @ C, np.eye(n) - L @ C])
        u_of = K @ pick
        uu = u_of @ M @ u_of.T + K @ L @ V @ L.T @ K.T
        costs.append(np.trace(s.Q @ M[:n, :n]) + np.trace(s.R @ uu))
        F = np.vstack([np.hstack([s.A, np.zeros((n, n))]) + s.B @ u_of, s.A @ pick + s.B @ u_of])
        G = np.vstack([s.B @ K @ L, s.A @ L + s.B @ K @ L])
        M = np.array(F @ M @ F.T + G @ V @ G.T)
        M[:n, :n] += W
        P = s.A @ (P - L @ C @ P) @ s.A.T + W
    return np.asarray(costs)


@pytest.mark.slow
def test_the_separation_principle_by_exact_covariances(x64):
    environment = noisy_system()
    for gamma in (1.0, 0.9):
        found = linear_quadratic_gaussian_control(environment, gamma)
        costs = propagated(environment, [np.asarray(found.regulator.gain)] * 600, 600)
        want = -costs[-1] if gamma == 1 else -costs @ gamma ** np.arange(600)
        np.testing.assert_allclose(found.value, want, rtol=1e-8)
        assert found.value < found.value_when_seen
    found = linear_quadratic_gaussian_control(environment, 0.95, horizon=9)
    costs = propagated(environment, np.asarray(found.regulator.gain), 9)
    np.testing.assert_allclose(found.value, -costs @ 0.95 ** np.arange(9), rtol=1e-10)
    # A wrong variant: another gain earns less, whatever it is.
    for factor in (0.9, 1.1):
        other = propagated(environment, factor * np.asarray(found.regulator.gain), 9)
        assert other @ 0.95 ** np.arange(9) > -found.value * 1.001


@pytest.mark.slow
def test_the_actor_earns_what_is_promised_and_more_than_without_a_filter():
    """20,000 episodes: |z| < 4.5. The same gain on raw observations, C inverted, costs more."""
    system = noisy_system().system
    environment = LinearQuadraticGaussian(system, np.eye(n), 1.5 * np.eye(n))
    horizon, episodes = 25, 4000
    actor = KalmanFilterActor.of(environment)

    def returns(actor):
        population = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], actor)
        found = jax.jit(
            lambda key, e, a: sample_returns(key, e, a, EpisodicReturn(), episodes, horizon)[0]
        )(jax.random.key(0), environment, population)
        return np.asarray(found.returns[0], float)

    got = returns(actor)
    want = -propagated(environment, [np.asarray(actor.gain)] * horizon, horizon).sum()
    error = got.std() / episodes**0.5
    assert error < 0.02 * abs(want)
    assert abs(got.mean() - want) < 4.5 * error
    raw = returns(solve_linear_quadratic(system).policy)
    assert raw.mean() < 1.1 * want


def test_certainty_equivalence(x64):
    """The gain is the one of the system that is seen; the filter's, the one of its noise."""
    environment = noisy_system()
    found = linear_quadratic_gaussian_control(environment)
    seen = linear_quadratic_regulator(linear_quadratic_problem(environment.system))
    np.testing.assert_allclose(found.regulator.gain, seen.gain)
    np.testing.assert_allclose(found.filter.C, kalman_filter_of(environment).C)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ((np.eye(2), np.eye(2), np.eye(3), np.eye(2), np.eye(2)), r"C of shape \(3, 3\)"),
        ((np.eye(2), np.eye(2), np.eye(2), np.eye(2), 0 * np.eye(2)), "Add a small variance"),
        ((np.eye(2), np.eye(2), np.eye(2), -np.eye(2), np.eye(2)), "process_noise .*semidefinite"),
        ((np.eye(2), np.eye(2), np.nan * np.eye(2), np.eye(2), np.eye(2)), "not finite"),
    ],
)
def test_refusals(arrays, reason):
    with pytest.raises(UpslopeError, match=f"(?s){reason}"):
        KalmanFilter(*arrays)


def test_what_is_never_observed():
    kalman = KalmanFilter(np.diag([1.1, 0.5]), np.eye(2), [[0.0, 1.0]], np.eye(2), np.eye(1))
    with pytest.raises(UpslopeError, match=r"\(A, C\) is not detectable.* 1\.1, along \[1\. 0\.\]"):
        kalman.steady_state()
    with pytest.raises(UpslopeError, match="must be a LinearQuadraticGaussian"):
        linear_quadratic_gaussian_control(LinearQuadratic())
    with pytest.raises(UpslopeError, match=r"C of shape \(2, 2\)"):
        LinearQuadraticGaussian(C=np.eye(2))
