"""Worlds whose answers are known: linear-quadratic systems and the probes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.environments import LinearQuadratic, make

A = np.array([[1.0, 1.0], [0.0, 1.0]])
B = np.array([[0.0], [1.0]])


def test_linear_quadratic_step_by_hand(x64):
    rng = np.random.default_rng(0)
    Q, R = np.diag([1.0, 0.0]) + 0.1, np.array([[2.0]])
    factor = rng.normal(size=(2, 3))
    world = LinearQuadratic(A, B, Q, R, factor, 0 * np.eye(2))
    state, _ = world.reset(jax.random.key(0))
    np.testing.assert_array_equal(state, [0.0, 0.0])
    x, u = rng.normal(size=2), rng.normal(size=1)
    key = jax.random.key(1)
    after, out = world.step(key, jnp.asarray(x), jnp.asarray(u))
    noise = factor @ np.asarray(jax.random.normal(key, (3,)))
    np.testing.assert_allclose(after, A @ x + B @ u + noise, rtol=1e-12)
    np.testing.assert_allclose(out.reward, -(x @ Q @ x + u @ R @ u), rtol=1e-12)
    np.testing.assert_array_equal(out.observation, after)
    assert not bool(out.terminated)


def test_linear_quadratic_cost_of_the_optimal_gain(x64):
    """The noiseless cost of the known optimal gain from x is x'Px (double integrator)."""
    gain = np.array([0.4220824404, 1.2439288539])
    P = np.array([[2.9471229667, 2.3692054071], [2.3692054071, 4.6131342610]])
    world = LinearQuadratic(A, B, noise_factor=np.zeros((2, 1)), time_limit=None)
    x = jnp.array([1.0, -2.0])

    def body(state, _):
        state, out = world.step(jax.random.key(0), state, -(jnp.asarray(gain)[None, :] @ state))
        return state, out.reward

    rewards = jax.lax.scan(body, x, None, 200)[1]
    np.testing.assert_allclose(-rewards.sum(), x @ P @ x, rtol=1e-8)


def test_linear_quadratic_noise_has_the_stated_covariance():
    """Entries of a sample covariance of 20000 within 6 standard errors."""
    factor = np.array([[1.0, 0.0], [0.5, 2.0]])
    world = LinearQuadratic(A, B, noise_factor=factor, initial_factor=3 * factor)
    keys = jax.random.split(jax.random.key(0), 20_000)
    step = jax.vmap(lambda key: world.step(key, jnp.zeros(2), jnp.zeros(1))[0])
    wanted = factor @ factor.T
    for samples, scale in ((step(keys), 1), (jax.vmap(world.reset)(keys)[0], 9)):
        spread = np.sqrt((np.outer(np.diag(wanted), np.diag(wanted)) + wanted**2) / 20_000)
        assert (np.abs(np.cov(np.asarray(samples).T) / scale - wanted) < 6 * spread).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"A": np.ones((2, 3))}, r"A of shape \(2, 3\)"),
        ({"A": A, "B": np.ones((3, 1))}, r"B of shape \(3, 1\).*n=2"),
        ({"A": A, "B": B, "R": np.eye(2)}, r"R of shape \(2, 2\).*m=1"),
        ({"A": A, "B": B, "Q": np.eye(2) * np.nan}, "Q with an entry that is not finite"),
    ],
)
def test_linear_quadratic_refuses(arguments, message):
    with pytest.raises(UpslopeError, match=message):
        LinearQuadratic(**arguments)


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize(
    "name", ["constant", "observation", "delayed", "action", "observation-action"]
)
def test_probes_have_the_values_they_claim(name, continuous):
    """Playing the known best actions earns the known values; no other action earns more."""
    world = make(f"probe-{name}", continuous=continuous)
    gamma = 0.9
    known = {k.observation: k for k in world.known_values(gamma)}
    seen = set()
    for seed in range(8):
        state, observation = world.reset(jax.random.key(seed))
        first, total, discount = float(observation[0]), 0.0, 1.0
        seen.add(first)
        ended = False
        while not ended:
            best = known[float(observation[0])].action
            best = 0.0 if best is None else best
            action = jnp.full(1, best) if continuous else jnp.asarray(int(best))
            others = [jnp.full(1, a) for a in (-1.0, 0.3, 1.0)] if continuous else [0, 1]
            earned = world.step(jax.random.key(0), state, action)[1].reward
            for other in others:
                other = jnp.asarray(other)
                assert world.step(jax.random.key(0), state, other)[1].reward <= earned + 1e-6
            state, out = world.step(jax.random.key(0), state, action)
            observation, ended = out.observation, bool(out.terminated)
            total += discount * float(out.reward)
            discount *= gamma
        assert total == pytest.approx(known[first].value)
    assert seen <= set(known)
    assert len(seen) == (2 if "observation" in name else 1)
