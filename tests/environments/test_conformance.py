"""Every registered world, and the adaptors' worlds, keep the contract."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from environment_checks import check_environment, check_randomness, check_shapes

from upslope.environments import ENVIRONMENTS, CartPole, DynaMaze, Pendulum, make

# Whether starts and steps are random.
RANDOM = {
    "CartPole-v1": (True, False),
    "Pendulum-v1": (True, False),
    "cartpole-swing-up": (True, False),
    "Acrobot-v1": (True, False),
    "MountainCar-v0": (True, False),
    "MountainCarContinuous-v0": (True, False),
    "short-corridor": (False, False),
    "dyna-maze": (False, False),
    "blocking-maze": (False, False),
    "shortcut-maze": (False, False),
    "linear-quadratic": (True, True),
    "linear-quadratic-gaussian": (True, True),
    "garnet": (True, True),
    "tic-tac-toe": (True, True),
    "connect-four": (True, True),
    "nim": (True, True),
    "pig": (True, True),
    "probe-constant": (False, False),
    "probe-observation": (True, False),
    "probe-delayed": (False, False),
    "probe-action": (False, False),
    "probe-observation-action": (True, False),
}


def test_every_environment_is_covered():
    assert set(RANDOM) == set(ENVIRONMENTS.names())


@pytest.mark.slow
@pytest.mark.parametrize("name", RANDOM)
def test_contract(name):
    check_environment(make(name))


@pytest.mark.parametrize("name", RANDOM)
def test_types_in_double_precision(name, x64):
    environment = make(name)
    environment.action_space.seed(0)
    action = jnp.asarray(environment.action_space.sample())
    check_shapes(environment, jax.random.key(0), action)


@pytest.mark.slow
@pytest.mark.parametrize("name", RANDOM)
def test_keys_matter_where_the_world_is_random(name):
    check_randomness(make(name), *RANDOM[name])


@pytest.mark.parametrize("name", [n for n in RANDOM if n.startswith("probe")])
def test_continuous_probes(name):
    check_environment(make(name, continuous=True), steps=5)


def test_a_new_number_does_not_recompile():
    traces = []

    @jax.jit
    def step(environment, state):
        traces.append(1)
        return environment.step(jax.random.key(0), state, jnp.ones(1))

    state, _ = make("Pendulum-v1").reset(jax.random.key(0))
    state, _ = step(make("Pendulum-v1"), state)
    state, _ = step(make("Pendulum-v1", gravity=9.81), state)
    assert len(traces) == 1
    step(make("Pendulum-v1", time_limit=100), state)
    assert len(traces) == 2


def test_physics_are_leaves_that_vmap_and_grad():
    def spin(gravity):
        state = jnp.array([1.0, 0.0])
        return Pendulum(gravity=gravity).step(jax.random.key(0), state, jnp.zeros(1))[0][1]

    gravities = jnp.array([1.0, 5.0, 10.0])
    expected = 1.5 * np.asarray(gravities) * np.sin(1.0) * 0.05
    np.testing.assert_allclose(jax.vmap(spin)(gravities), expected, rtol=1e-5)
    np.testing.assert_allclose(jax.grad(spin)(10.0), 1.5 * np.sin(1.0) * 0.05, rtol=1e-5)


class _Restarting(CartPole):
    """A wrong world: the step that ends an episode shows the start of the next, at random."""

    def step(self, key, state, action):
        after, out = super().step(key, state, action)
        fresh, _ = self.reset(key)
        after = jnp.where(jnp.broadcast_to(out.terminated, (4,)), fresh, after)
        return after, out._replace(observation=after)


class _RestartingMaze(DynaMaze):
    """A wrong world: the step that ends an episode goes back to the one start."""

    def step(self, key, state, action):
        after, out = super().step(key, state, action)
        out = out._replace(terminated=after < 9)
        after = jnp.where(out.terminated, 18, after)
        return after, out._replace(observation=after)


class _Weak(Pendulum):
    """A wrong world: a weakly typed reward costs a recompilation."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(reward=jnp.asarray(0.0))


class _Outside(Pendulum):
    """A wrong world: it emits what its space does not contain."""

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        return state, out._replace(observation=2 * out.observation)


class _Carried(Pendulum):
    """A wrong world: a state that changes its type."""

    def reset(self, key):
        state, observation = super().reset(key)
        return (state, 0), observation

    def step(self, key, state, action):
        after, out = super().step(key, state[0], action)
        return (after, state[1] + 0.5), out


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [_Restarting, _RestartingMaze, _Weak, _Outside, _Carried])
def test_the_suite_can_fail(wrong):
    with pytest.raises(AssertionError):
        check_environment(wrong(), steps=60)
