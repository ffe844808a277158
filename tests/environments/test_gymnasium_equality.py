"""The native worlds equal Gymnasium's, step for step, from the same state and action."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.environments import make

PI = np.pi
# name: (low, high) of random states, and states at the edges
STATES = {
    "CartPole-v1": (
        [-2.6, -4, -0.25, -4],
        [2.6, 4, 0.25, 4],
        [[2.4, 0, 0, 0], [-2.4, -1, 0, 0], [0, 0, 12 * 2 * PI / 360, 0], [2.3999, 0.005, 0, 0]],
    ),
    "Pendulum-v1": (
        [-10, -8],
        [10, 8],
        [[PI, 8], [-PI, -8], [0, 0], [3 * PI, 1], [-3 * PI, 0], [7.5 * PI, 8]],
    ),
    "Acrobot-v1": (
        [-PI, -PI, -4 * PI, -9 * PI],
        [PI, PI, 4 * PI, 9 * PI],
        [[PI, -PI, 0, 0], [PI, 0, 4 * PI, 9 * PI], [-PI, PI, -4 * PI, -9 * PI], [0, 0, 0, 0]],
    ),
    "MountainCar-v0": (
        [-1.2, -0.07],
        [0.6, 0.07],
        [
            [-1.2, 0],
            [-1.2, -0.07],
            [-1.19, -0.07],
            [0.499, 0.0],
            [0.6, 0.07],
            [0.5, 0],
            [0.44, 0.07],
        ],
    ),
    "MountainCarContinuous-v0": (
        [-1.2, -0.07],
        [0.6, 0.07],
        [
            [-1.2, 0],
            [-1.2, -0.07],
            [-1.19, -0.07],
            [0.449, 0.0],
            [0.6, 0.07],
            [0.45, 0],
            [0.4, 0.06],
        ],
    ),
}


class _Double:
    """NumPy whose float32 is float64, so that Gymnasium does not round what it emits."""

    float32 = np.float64

    def __getattr__(self, name):
        return getattr(np, name)


def _actions(space, rng, n):
    if isinstance(space, gymnasium.spaces.Discrete):
        return rng.integers(space.n, size=n)
    # beyond the bounds too: the worlds clip
    return rng.uniform(1.5 * space.low, 1.5 * space.high, (n, *space.shape))


@pytest.mark.slow
@pytest.mark.parametrize("name", STATES)
def test_step_for_step(name, x64, monkeypatch):
    reference = gymnasium.make(name).unwrapped
    monkeypatch.setattr(__import__(type(reference).__module__, fromlist="x"), "np", _Double())
    rng = np.random.default_rng(0)
    low, high, edges = STATES[name]
    edges = np.repeat(np.asarray(edges, float), 6, axis=0)
    states = np.concatenate([edges, rng.uniform(low, high, (3000, len(low)))])
    actions = _actions(reference.action_space, rng, len(states))

    environment = make(name)
    step = jax.jit(jax.vmap(environment.step, in_axes=(None, 0, 0)))
    after, out = step(jax.random.key(0), jnp.asarray(states), jnp.asarray(actions))

    for i, (state, action) in enumerate(zip(states, actions, strict=True)):
        if name == "CartPole-v1":
            reference.reset()  # clears its note that the episode has ended
        reference.state = np.array(state)
        seen, reward, terminated, truncated, _ = reference.step(action)
        np.testing.assert_allclose(after[i], reference.state, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(out.observation[i], seen, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(out.reward[i], reward, rtol=1e-12, atol=1e-12)
        assert bool(out.terminated[i]) == terminated, (state, action)
        assert not truncated
    if name != "Pendulum-v1":
        assert 0 < np.mean(out.terminated) < 1


@pytest.mark.parametrize("name", STATES)
def test_spaces_and_time_limit(name):
    reference = gymnasium.make(name)
    environment = make(name)
    for which in ("observation_space", "action_space"):
        ours, theirs = getattr(environment, which), getattr(reference, which)
        assert ours == theirs
        assert ours.dtype == theirs.dtype
    assert environment.time_limit == gymnasium.spec(name).max_episode_steps


@pytest.mark.parametrize("name", STATES)
def test_starts_come_from_the_same_distribution(name):
    """Kolmogorov-Smirnov on each component, D < 2.7 / sqrt(n/2): false alarm rate 1e-6 each."""
    n = 2000
    reference = gymnasium.make(name).unwrapped
    theirs = np.stack([reference.reset(seed=i)[0] for i in range(n)])
    ours = np.asarray(jax.vmap(make(name).reset)(jax.random.split(jax.random.key(0), n))[1])
    for component in range(ours.shape[1]):
        a, b = np.sort(ours[:, component]), np.sort(theirs[:, component])
        points = np.concatenate([a, b])
        gap = np.abs(
            np.searchsorted(a, points, side="right") - np.searchsorted(b, points, side="right")
        )
        assert gap.max() / n < 2.7 / np.sqrt(n / 2)


@pytest.mark.parametrize(("name", "steps"), [("CartPole-v1", 8), ("Acrobot-v1", 60)])
def test_a_trajectory_in_single_precision_stays_close(name, steps):
    reference = gymnasium.make(name).unwrapped
    reference.reset(seed=3)
    environment = make(name)
    state = jnp.asarray(reference.state, jnp.float32)
    step = jax.jit(environment.step)
    for t in range(steps):
        action = t % reference.action_space.n
        seen, reward, terminated, _, _ = reference.step(action)
        state, out = step(jax.random.key(0), state, jnp.asarray(action))
        np.testing.assert_allclose(out.observation, seen, atol=2e-4)
        assert (float(out.reward), bool(out.terminated)) == (reward, terminated)
