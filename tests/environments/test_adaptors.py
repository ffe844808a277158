"""gymnax's and brax's worlds behind our contract."""

import sys
import types

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from environment_checks import check_environment

from upslope.core.checks import UpslopeError
from upslope.environments import BraxEnvironment, CartPole, GymnaxEnvironment, make


class Parameters(eqx.Module):
    """As gymnax's: numbers, with `replace`."""

    speed: float = 1.0
    max_steps_in_episode: int = 30

    def replace(self, **changes):
        return Parameters(**{**vars(self), **changes})


class FakeGymnax:
    """A drift from a random start to beyond 5, in gymnax's interface of either version."""

    version = 0

    def __init__(self, offset: float = 0.0):
        self.offset = offset

    def reset_env(self, key, params):
        place = jax.random.uniform(key)
        return jnp.stack([place]), {"place": place, "time": 0}

    def step_env(self, key, state, action, params):
        place = state["place"] + params.speed + self.offset
        state = {"place": place, "time": state["time"] + 1}
        done = place > 5.0
        if self.version == 0:  # there, `done` includes the time limit
            done = done | (state["time"] >= params.max_steps_in_episode)
        return jnp.stack([place]), state, 1, done, {"discount": 1.0}

    def observation_space(self, params):
        return types.SimpleNamespace(low=-jnp.inf, high=jnp.inf, shape=(1,), dtype=jnp.float32)

    def action_space(self, params):
        return types.SimpleNamespace(n=2)


def named(name, **fields):
    return type(name, (), fields)()


@pytest.fixture(params=[0, 1])
def fake_gymnax(request, monkeypatch):
    class Fake(FakeGymnax):
        version = request.param

        def observation_space(self, params):
            return named("Box", low=-np.inf, high=np.inf, shape=(1,), dtype=np.float32)

        def action_space(self, params):
            return named("Discrete", n=2)

    module = types.ModuleType("gymnax")
    module.registered_envs = ["Drift-v0"]
    module.make = lambda name, **options: (Fake(**options), Parameters())
    monkeypatch.setitem(sys.modules, "gymnax", module)
    from upslope.environments.adaptors import gymnax as gymnax_adaptor

    gymnax_adaptor._load.cache_clear()
    yield
    gymnax_adaptor._load.cache_clear()


def test_gymnax_of_either_version(fake_gymnax):
    world = make("gymnax:Drift-v0")
    assert isinstance(world, GymnaxEnvironment)
    assert world.time_limit == 30
    check_environment(world)
    # the limit is ours: at speed 0.01 nothing terminates at its 30th step
    slow = make("gymnax:Drift-v0", speed=0.01, time_limit=None)
    assert slow.time_limit is None
    state, _ = slow.reset(jax.random.key(0))
    for _ in range(40):
        state, out = slow.step(jax.random.key(0), state, jnp.asarray(0))
    assert not bool(out.terminated)
    state, out = make("gymnax:Drift-v0", offset=9.0).step(jax.random.key(0), state, jnp.asarray(0))
    assert bool(out.terminated)
    with pytest.raises(UpslopeError, match=r"no setting 'sped'\. Did you mean 'speed'"):
        make("gymnax:Drift-v0", sped=1)
    with pytest.raises(UpslopeError, match="Did you mean 'Drift-v0'"):
        make("gymnax:drift-v0")


@pytest.mark.parametrize("name", ["Pendulum-v1", "Catch-bsuite", "Breakout-MinAtar"])
def test_gymnax_as_installed(name):
    pytest.importorskip("gymnax")
    check_environment(make(f"gymnax:{name}"), steps=12)


@pytest.mark.parametrize(("limit", "share"), [({}, 10 / 30), ({"time_limit": 20}, 0.5)])
def test_gymnax_shows_the_time_as_a_share_of_its_own_limit(fake_gymnax, monkeypatch, limit, share):
    import gymnax

    def timed(step):
        def step_env(self, key, state, action, params):
            _, state, *rest = step(self, key, state, action, params)
            return jnp.stack([state["time"] / params.max_steps_in_episode]), state, *rest

        return step_env

    made = type(gymnax.make("Drift-v0")[0])
    monkeypatch.setattr(made, "step_env", timed(made.step_env))
    environment = make("gymnax:Drift-v0", speed=0.01, **limit)
    state, _ = environment.reset(jax.random.key(0))
    for _ in range(10):
        state, out = environment.step(jax.random.key(0), state, jnp.asarray(0))
    np.testing.assert_allclose(out.observation, [share], rtol=1e-6)
    for _ in range(30):
        state, out = environment.step(jax.random.key(0), state, jnp.asarray(0))
    assert not bool(out.terminated)  # beyond the limit, which is ours alone


def test_gymnax_cartpole_equals_ours():
    pytest.importorskip("gymnax")
    theirs, ours = make("gymnax:CartPole-v1"), CartPole()
    assert theirs.time_limit == ours.time_limit
    assert theirs.action_space == ours.action_space
    state, _ = theirs.reset(jax.random.key(0))
    place = jnp.stack([state.x, state.x_dot, state.theta, state.theta_dot])
    for t in range(12):
        action = jnp.asarray(int(t % 3 > 0))
        state, seen = theirs.step(jax.random.key(t), state, action)
        place, expected = ours.step(jax.random.key(t), place, action)
        np.testing.assert_allclose(seen.observation, expected.observation, rtol=1e-4, atol=1e-5)
        assert bool(seen.terminated) == bool(expected.terminated)


class FakeBraxState(eqx.Module):
    """As brax's `State`."""

    pipeline_state: jax.Array
    obs: jax.Array
    reward: jax.Array
    done: jax.Array
    metrics: dict
    info: dict


class FakeBrax:
    """Two joints pushed by one action; it ends beyond 3."""

    observation_size = 2
    action_size = 1

    def __init__(self, gear: float = 1.0):
        self.gear = gear

    def reset(self, rng):
        obs = jax.random.uniform(rng, (2,))
        return FakeBraxState(obs, obs, jnp.zeros(()), jnp.zeros(()), {"speed": 0.0}, {})

    def step(self, state, action):
        obs = state.obs + 0.1 + self.gear * 0.01 * action
        done = jnp.where(obs[0] > 3.0, 1.0, 0.0)
        state.metrics.update(speed=1.0)  # in place, and a Python number, as brax's ant does
        return FakeBraxState(obs, obs, obs[0], done, state.metrics, state.info)


@pytest.fixture
def fake_brax(monkeypatch):
    envs = types.ModuleType("brax.envs")
    envs._envs = {"two_joints": FakeBrax}
    envs.get_environment = lambda name, **options: envs._envs[name](**options)
    monkeypatch.setitem(sys.modules, "brax", types.ModuleType("brax"))
    monkeypatch.setitem(sys.modules, "brax.envs", envs)
    from upslope.environments.adaptors import brax as brax_adaptor

    brax_adaptor._load.cache_clear()
    yield
    brax_adaptor._load.cache_clear()


def test_brax(fake_brax):
    world = make("brax:two_joints", gear=2.0, time_limit=50)
    assert isinstance(world, BraxEnvironment)
    assert world.time_limit == 50
    assert world.action_space == gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    check_environment(world)
    with pytest.raises(UpslopeError, match="Did you mean 'two_joints'"):
        make("brax:two_joint")
    with pytest.raises(UpslopeError, match=r"could not be built.*speed"):
        make("brax:two_joints", speed=2.0)
