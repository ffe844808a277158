"""From names to worlds, and what is said when there is none."""

import gymnasium
import jax
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.environments import ENVIRONMENTS, CartPole, GymnasiumSpec, Pendulum, make
from upslope.environments.adaptors import gymnasium as gymnasium_world_module


def test_native_names_and_settings():
    world = make("CartPole-v1", gravity=5.0, time_limit=50)
    assert isinstance(world, CartPole)
    assert (world.gravity, world.time_limit) == (5.0, 50)
    assert make("CartPole-v1", time_limit=None).time_limit is None
    assert all(entry.summary for entry in ENVIRONMENTS)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cartpole-V9", {}, "Unknown environment 'cartpole-V9'. Did you mean 'CartPole-v1'"),
        ("LunarLander-v2", {}, "Did you mean 'LunarLander-v3'"),
        ("shortcoridor", {}, "Did you mean 'short-corridor'"),
        ("zzz", {}, "Unknown environment 'zzz'. Known: CartPole-v1"),
        ("gymnasium:LunarLander-v99", {}, "Did you mean 'LunarLander-v3'"),
        ("gymnazium:CartPole-v1", {}, "Did you mean 'gymnasium:CartPole-v1'"),
        ("CartPole-v1", {"gravit": 1.0}, "no setting 'gravit'. Did you mean 'gravity'"),
        ("CartPole-v1", {"timestep": 0.0}, "timestep=0.0: must be above 0"),
        ("CartPole-v1", {"pole_mass": -1}, "pole_mass=-1: must be above 0"),
        ("CartPole-v1", {"gravity": float("nan")}, "gravity=nan: must be a finite number"),
        ("CartPole-v1", {"gravity": "heavy"}, "gravity='heavy': must be a number"),
        ("CartPole-v1", {"time_limit": 2.5}, "time_limit=2.5: must be an int, got the float 2.5"),
        ("CartPole-v1", {"time_limit": 0}, "time_limit=0: must be at least 1"),
        ("probe-action", {"continuous": 3}, "continuous=3: it must be True or False"),
        ("gymnasium:CartPole-v1", {"gravty": 3}, "no setting 'gravty'"),
        ("gymnasium:CartPole-v1", {"time_limit": 0}, "time_limit=0"),
    ],
)
def test_what_is_refused(name, settings, message):
    with pytest.raises(UpslopeError, match=message):
        make(name, **settings)


def test_positive_physics_are_checked_without_make():
    with pytest.raises(UpslopeError, match="Pendulum got mass=0"):
        Pendulum(mass=0.0)


def test_an_instance_is_returned_or_changed():
    world = CartPole()
    assert make(world) is world
    assert make(world, gravity=3.0).gravity == 3.0
    assert make(CartPole, gravity=3.0).gravity == 3.0
    with pytest.raises(UpslopeError, match="CartPole has no setting 'mass'"):
        make(world, mass=3.0)
    with pytest.raises(UpslopeError, match="make got a int"):
        make(3)


class Rod(Pendulum):
    """A user's own world."""


def test_a_users_own_environment_can_be_registered():
    with ENVIRONMENTS.registered("my-rod", Rod, "a rod of my own"):
        assert isinstance(make("my-rod", length=2.0), Rod)
        with pytest.raises(UpslopeError, match="is taken"):
            ENVIRONMENTS.register("my-rod", CartPole)
    assert "my-rod" not in ENVIRONMENTS


def test_gymnasium_worlds():
    world = make("gymnasium:CartPole-v1", time_limit=7)
    assert (world.name, world.time_limit) == ("gymnasium:CartPole-v1", 7)
    assert world == GymnasiumSpec.registered("CartPole-v1", {"time_limit": 7})
    assert world.observation_space == CartPole().observation_space
    assert make("gymnasium:CartPole-v1", time_limit=None).time_limit is None
    assert make("FrozenLake-v1", is_slippery=False).action_space == gymnasium.spaces.Discrete(4)
    env = world.build()
    env.reset(seed=0)
    lengths = [env.step(0)[3] for _ in range(7)]
    assert lengths == [False] * 6 + [True]


def test_box2d_builds_under_strict_warnings():
    pytest.importorskip("Box2D")
    assert make("LunarLander-v3").time_limit == 1000


class Bare(gymnasium.Env):
    """A user's simulator that is not registered."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, start=0.0, handle=None):
        self.start = start
        self.handle = handle

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.full(2, self.start, np.float32), {}

    def step(self, action):
        return np.full(2, self.start, np.float32), 1.0, False, False, {}


def test_gymnasium_instances():
    wrapped = gymnasium.wrappers.TimeAwareObservation(gymnasium.make("MountainCar-v0"))
    world = make(wrapped)
    assert world.id == "MountainCar-v0"
    assert world.observation_space == wrapped.observation_space
    assert world.observation_space.shape == (3,)
    assert world.build() is not world.build()

    bare = make(Bare(start=0.5))
    assert bare.id == "Bare"
    assert bare.time_limit is None
    first, second = bare.build(), bare.build()
    assert first is not second
    np.testing.assert_array_equal(first.reset()[0], [0.5, 0.5])

    built = make(Bare)
    np.testing.assert_array_equal(built.build().reset()[0], [0.0, 0.0])
    with pytest.raises(UpslopeError, match="Pass a function that builds it"):
        make(Bare(handle=(i for i in range(3))))
    with pytest.raises(UpslopeError, match=r"built a int: it must be a gymnasium\.Env"):
        make(lambda: 3).build()


def test_missing_extras_name_the_command(monkeypatch):
    monkeypatch.setattr(gymnasium_world_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UpslopeError, match=r"Ant-v5 needs .* pip install 'upslope\[mujoco\]'"):
        make("Ant-v5")
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[box2d\]'"):
        make("gymnasium:BipedalWalker-v3")
    for library in ("gymnax", "brax"):
        monkeypatch.setitem(__import__("sys").modules, library, None)
        monkeypatch.setitem(__import__("sys").modules, f"{library}.envs", None)
        with pytest.raises(UpslopeError, match=rf"pip install 'upslope\[{library}\]'"):
            make(f"{library}:ant")


def test_worlds_can_be_sent_to_processes():
    import pickle

    for world in (make("gymnasium:CartPole-v1", time_limit=9), make(Bare(start=0.25))):
        again = pickle.loads(pickle.dumps(world))
        assert again.observation_space == world.observation_space
        assert hash(again) is not None


@pytest.mark.slow
def test_importing_the_package_loads_no_simulator():
    import subprocess
    import sys

    code = (
        "import sys, upslope.environments as e; e.make('CartPole-v1'); "
        "bad = [m for m in ('gymnasium', 'gymnax', 'brax', 'Box2D') if m in sys.modules]; "
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_jax_is_the_random_source_of_native_worlds():
    a = make("CartPole-v1").reset(jax.random.key(0))[1]
    b = make("CartPole-v1").reset(jax.random.key(1))[1]
    assert (np.asarray(a) != np.asarray(b)).all()
