"""Searches that differ in numbers alone share their programs; code that may change has its own."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope.core.records import Step
from upslope.engine import jax_program, kept_programs
from upslope.engine.kept_programs import KeptPrograms, is_fixed, key_of
from upslope.environments import Environment, make
from upslope.search.gradient.ppo import PPO
from upslope.training.build import build
from upslope.training.config import resolve
from upslope.training.train import train

CARTPOLE = "CartPole-v1"
OPTIONS = dict(seeds=2, hidden=(4,), evaluations=1, final_episodes=2, use_preset=False)
OPTIONS |= dict(population_size=4, n_elites=2, total_timesteps=200, episodes_per_candidate=1)


@pytest.fixture
def counted(monkeypatch):
    """How many programs of searches were compiled since."""
    count = []
    once = jax_program.compiled

    def compiled(*arguments, **options):
        count.append(arguments)
        return once(*arguments, **options)

    monkeypatch.setattr(jax_program, "compiled", compiled)
    return count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "programs"),
    [
        (
            {
                **{"seed": 5, "std": 0.3, "min_std": 0.01, "total_timesteps": 300},
                "environment_settings": {"gravity": 4.9},
            },
            0,
        ),
        ({"n_elites": 3}, 2),
    ],
)
def test_what_differs_in_numbers_is_compiled_once(changed, programs, counted):
    """And gives what it gives alone."""
    train(CARTPOLE, "cem", **OPTIONS)
    assert len(counted) == 2
    shared = train(CARTPOLE, "cem", **OPTIONS | changed)
    assert len(counted) == 2 + programs
    kept_programs.clear()
    alone = train(CARTPOLE, "cem", **OPTIONS | changed)
    assert len(counted) == 4 + programs
    assert jax.tree.all(jax.tree.map(np.array_equal, shared.policies, alone.policies))
    np.testing.assert_array_equal(shared.returns, alone.returns)


@pytest.mark.slow
def test_searches_on_simulators_share_what_is_compiled_between_samples():
    kept_programs.clear()
    options = OPTIONS | {"workers": 0}
    first = train("gymnasium:CartPole-v1", "cem", **options)
    kept = dict(kept_programs.SEARCHES._kept)
    assert len(kept) == 1
    (functions,) = kept.values()
    compiled = dict(functions.tell)
    other = train("gymnasium:CartPole-v1", "cem", **options | {"std": 0.3})
    again = train("gymnasium:CartPole-v1", "cem", **options)
    assert dict(kept_programs.SEARCHES._kept) == kept
    assert functions.tell == compiled
    same = [
        jax.tree.all(jax.tree.map(np.array_equal, first.policies, run.policies))
        for run in (again, other)
    ]
    assert same == [True, False]


REWARD = 1.0


class Pays(Environment):
    """An environment of the user's own: a global of its module says what a step pays."""

    name = "pays"
    time_limit: int | None = eqx.field(static=True, default=5)

    @property
    def observation_space(self):
        return spaces.Box(-1, 1, (1,))

    @property
    def action_space(self):
        return spaces.Discrete(2)

    def reset(self, key):
        return jnp.zeros(1), jnp.zeros(1)

    def step(self, key, state, action):
        return state, Step(state, jnp.asarray(REWARD), jnp.zeros((), bool))


@pytest.mark.slow
def test_code_of_the_users_own_is_never_shared(monkeypatch):
    """Which may have changed since, in a notebook or by a reload."""
    options = dict(OPTIONS, seeds=1)
    assert train(Pays, "cem", **options).returns.tolist() == [5.0]
    monkeypatch.setitem(globals(), "REWARD", 2.0)
    assert train(Pays, "cem", **options).returns.tolist() == [10.0]


def configured(**settings):
    """A method and its environment, and what makes its policies."""
    problem = build(resolve(CARTPOLE, "ppo", settings, use_preset=False)).problem
    return key_of((problem.method, problem.environment, problem.objective), problem.policy)


def test_equal_problems_have_equal_keys():
    first = configured()
    assert first is not None
    assert configured() == first
    assert configured(learning_rate=1e-2) == first
    for settings in (
        *({"n_steps": 64}, {"activation": "relu"}, {"normalize_observations": True}),
        *({"hidden": (5,)}, {"policy": "linear-softmax"}, {"objective": "episodic"}),
    ):
        assert configured(**settings) not in (None, first)
    with jax.enable_x64(True):
        assert configured() not in (None, first)
    assert key_of(1.0) != key_of(jnp.ones(()))


class Mine(eqx.Module):
    """Of this module, hence not of a library."""

    number: float = 1.0
    activation: object = eqx.field(static=True, default=jnp.tanh)


@pytest.mark.parametrize(
    ("value", "fixed"),
    [
        (None, True),
        (("a", 1, 2.0, True, b"x"), True),
        (jax.nn.relu, True),
        (PPO, True),
        (PPO(), True),
        ({"activation": jnp.tanh}, True),
        (functools.partial(jax.nn.leaky_relu, negative_slope=0.1), True),
        (np.dtype("float32"), True),
        (Mine, False),
        (Mine(), False),
        (lambda x: x, False),
        (jax.jit(lambda x: x), False),
        (functools.partial(lambda x: x), False),
        ((1, [{"deep": Mine}]), False),
    ],
)
def test_what_is_made_of_the_users_code_is_known(value, fixed):
    assert is_fixed(value) == fixed


def test_the_users_code_and_what_cannot_be_compared_have_no_key():
    assert key_of(Mine()) is None
    assert key_of(make(CARTPOLE), Mine) is None
    assert key_of((1.0,), [1]) is None
    assert key_of((1.0,), 1) is not None


def test_the_latest_are_kept():
    shared = KeptPrograms(2)
    for name in ("a", "b"):
        shared.put(name, name.upper())
    assert shared.get("a") == "A"  # now the latest
    shared.put("c", "C")
    assert [shared.get(name) for name in ("a", "b", "c")] == ["A", None, "C"]
    shared.put(None, "nothing")
    assert shared.get(None) is None
    shared.clear()
    assert shared.get("a") is None
