"""Whatever policy, environment or objective this library has, a file can hold it."""

import importlib
import inspect
import json
import pkgutil
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

import upslope.core.networks
import upslope.environments
import upslope.objectives
import upslope.policies
from upslope.core.checks import StorageError
from upslope.environments import ENVIRONMENTS
from upslope.policies.critics import state_value
from upslope.policies.registry import FITS, POLICIES, RULES
from upslope.storage.serializable import MODULES, name_in_files
from upslope.storage.serialization import describe, rebuild

# They wrap objects of other libraries: a run saves their name and settings instead.
NOT_SAVED = {"GymnaxEnvironment", "BraxEnvironment"}


def classes():
    for package in (
        upslope.core.networks,
        upslope.environments,
        upslope.objectives,
        upslope.policies,
    ):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            for cls in vars(module).values():
                if (
                    isinstance(cls, type)
                    and issubclass(cls, eqx.Module)
                    and cls.__module__ == module.__name__
                    and not inspect.isabstract(cls)
                    and cls.__name__ not in NOT_SAVED
                ):
                    yield cls


def is_abstract(cls):
    return inspect.isabstract(cls) or bool(getattr(cls, "__abstractvars__", ()))


def test_every_concrete_class_is_in_the_table():
    found = {cls for cls in classes() if not is_abstract(cls)}
    assert len(found) > 20
    missing = []
    for cls in found:
        try:
            assert name_in_files(cls) == cls.__name__
        except StorageError:
            missing.append(f"{cls.__module__}: {cls.__name__}")
    assert not missing, f"add to the tables of their packages: {missing}"


def test_every_row_of_the_table_loads():
    for entry in MODULES:
        if isinstance(entry.target, str):
            assert entry.target.endswith(f":{entry.name}")
            assert getattr(entry.load(), "__name__", entry.name) == entry.name


def comes_back(tree):
    description, arrays = describe(tree)
    back = rebuild(json.loads(json.dumps(description, allow_nan=False)), arrays)
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(tree), strict=True):
        assert type(a) is type(b)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True)
    return back


OBSERVATIONS = {
    "discrete": spaces.Discrete(3),
    "vector": spaces.Box(-1.0, 1.0, (3,), np.float32),
    "tree": spaces.Dict({"a": spaces.Box(-1.0, 1.0, (3,), np.float32), "b": spaces.Discrete(2)}),
    "image": spaces.Box(0, 255, (16, 16, 1), np.uint8),
    "board": spaces.Dict({"board": spaces.Box(0, 1, (2, 3, 3), np.float32)}),
}
ACTIONS = {
    "discrete": spaces.Discrete(3),
    "box": spaces.Box(-np.inf, np.inf, (2,), np.float32),
    "bounded": spaces.Box(-2.0, 1.0, (2,), np.float32),
    "multi-discrete": spaces.MultiDiscrete([2, 3]),
    "multi-binary": spaces.MultiBinary(2),
}


def built(build):
    """What `build` makes, with numbers of our own: its structure without its compilation."""
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.integers(0, 9, leaf.shape), leaf.dtype),
        jax.eval_shape(build),
    )


@pytest.mark.parametrize("kind", POLICIES.names())
def test_every_kind_of_policy_comes_back(kind):
    fit = FITS[kind]
    observation = OBSERVATIONS[fit.observations[-1]]
    key = jax.random.key(0)
    for action in fit.actions if kind in ("deterministic", "recurrent") else fit.actions[:1]:
        build = partial(POLICIES.get(kind), key, observation, ACTIONS[action])
        try:
            policy = built(build)
        except ValueError:
            assert kind == "recurrent"  # not for every action
            continue
        comes_back(policy)
        if kind not in RULES:
            comes_back(built(partial(state_value, key, policy)))


def test_a_policy_that_came_back_decides_the_same():
    space = OBSERVATIONS["vector"]
    policy = POLICIES.get("softmax")(jax.random.key(0), space, ACTIONS["discrete"])
    back = comes_back(policy)
    observation = jnp.array([0.1, -0.2, 0.3])
    one, other = policy(observation), back(observation)
    np.testing.assert_array_equal(one.log_prob(jnp.array(1)), other.log_prob(jnp.array(1)))


@pytest.mark.parametrize("name", ENVIRONMENTS.names())
def test_every_environment_comes_back(name):
    comes_back(ENVIRONMENTS.get(name)())


def test_objectives_come_back():
    from upslope.objectives import objective

    comes_back(objective.DiscountedReturn(0.9, weights="undiscounted"))
    comes_back(objective.EpisodicReturn(horizon=3))
    comes_back(objective.AverageReward())
