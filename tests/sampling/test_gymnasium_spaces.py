"""Spaces and contracts at the border between policies and simulators."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from host_policies import linear
from small_simulators import SPACES, Breach, Spaces, world

from upslope.core.checks import EnvironmentContractError, UpslopeError
from upslope.objectives.objective import EpisodicReturn
from upslope.sampling.experience import Steps
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler
from upslope.sampling.simulators.gymnasium_spaces import (
    ActionCoder,
    ObservationCoder,
    policy_spaces,
)

KEYS = jax.random.split(jax.random.key(0), 1)
FINE = np.zeros(2, np.float32)


def sampler(simulators):
    return GymnasiumSampler(simulators, Steps(2, 3), EpisodicReturn(), n_seeds=1, seed=0, workers=0)


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("box", (2, 3), "float32"),
        ("image", (6, 5, 3), "uint8"),
        ("discrete", (), "int32"),
        ("multi-discrete", (2,), "int32"),
        ("multi-binary", (3,), "int32"),
    ],
)
def test_observations_have_one_shape_and_dtype(name, shape, dtype):
    declared = SPACES[name]
    declared.seed(0)
    coder = ObservationCoder(declared, "X")
    ((found, kind),) = coder.leaves
    assert (found, str(kind)) == (shape, dtype)
    column = np.zeros((2, *shape), kind)
    for _ in range(5):
        sample = declared.sample()
        coder.check(sample, "step")
        coder.store((column,), 1, sample)
        coded = column[1]
        start = getattr(declared, "start", 0)
        np.testing.assert_array_equal(coded, np.asarray(sample, kind) - start)
    shown, _ = policy_spaces(Spaces(name, "box"))
    assert shown == coder.space


def test_dict_and_tuple_observations_stay_trees():
    declared = SPACES["dict"]
    declared.seed(0)
    coder = ObservationCoder(declared, "X")
    assert [(shape, str(kind)) for shape, kind in coder.leaves] == [
        ((2, 2), "float32"),
        ((), "int32"),
        ((2,), "int32"),
    ]
    columns = tuple(np.zeros((2, *shape), kind) for shape, kind in coder.leaves)
    sample = declared.sample()
    coder.check(sample, "step")
    coder.store(columns, 1, sample)
    tree = coder.tree([column[1] for column in columns])
    assert set(tree) == {"a", "b"}
    np.testing.assert_array_equal(tree["a"], sample["a"])
    assert tree["b"][0] == sample["b"][0] - 5  # policies count from 0
    np.testing.assert_array_equal(tree["b"][1], sample["b"][1])
    shown, _ = policy_spaces(Spaces("dict", "box"))
    assert shown == coder.space == declared


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        (np.int64, 0, 2**40, "float32"),
        (np.uint32, 0, 2**32 - 1, "float32"),
        (np.uint64, 0, 2**64 - 1, "float32"),
        (np.int64, -5, 2**31 - 1, "int32"),
        (np.int64, -(2**31) - 1, 0, "float32"),
        (np.int8, -5, 5, "int32"),
    ],
)
def test_integers_that_do_not_fit_become_floats(dtype, low, high, expected):
    declared = spaces.Box(low, high, (2,), dtype)
    coder = ObservationCoder(declared, "X")
    ((_, kind),) = coder.leaves
    assert str(kind) == expected
    assert coder.space.dtype == kind
    column = np.zeros((1, 2), kind)
    big = np.array([low, min(high, 3_000_000_000)], dtype)
    coder.store((column,), 0, big)
    np.testing.assert_allclose(column[0], big.astype(float), rtol=1e-7)


def test_an_integer_beyond_its_declared_bounds_does_not_wrap():
    coder = ObservationCoder(spaces.Box(0, 100, (1,), np.int64), "X")
    column = np.zeros((1, 1), np.int32)
    with pytest.raises(OverflowError, match="true bounds"):
        coder.store((column,), 0, np.array([3_000_000_000]))


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("box", [-2.0, -1.0, 0.5, 1.0, 7.0, 0.1], [[-1, -1, 0.5], [1, 1, np.float32(0.1)]]),
        ("image", np.full(90, 300.4), np.full((6, 5, 3), 255)),
        ("discrete", [2], 7),
        ("multi-discrete", [2, 3], [3, 1]),
        ("multi-binary", [1, 0, 1], [1, 0, 1]),
    ],
)
def test_actions_are_clipped_and_shifted(name, row, expected):
    coder = ActionCoder(SPACES[name], "X")
    action = coder.decode(np.asarray(row, coder.dtype))
    assert SPACES[name].contains(action)
    np.testing.assert_array_equal(action, expected)


def test_spaces_without_a_size_and_nested_actions_are_refused():
    with pytest.raises(UpslopeError, match=r"Graph space has no fixed size.*TransformObservation"):
        sampler(world(Spaces, observation="graph", action="box"))
    with pytest.raises(UpslopeError, match=r"not one array.*ActionWrapper"):
        sampler(world(Spaces, observation="box", action="dict"))


def test_the_policys_action_is_recorded_and_a_legal_one_taken():
    simulators = world(Spaces, observation="box", action="box")
    batch, many = sampler(simulators).sample(KEYS, linear(1, size=6, actions=6))
    assert (np.abs(batch.action) > 1).any()
    taken = np.stack([env.got for env in many._backend._envs], axis=1)
    assert np.abs(taken).max() <= 1
    recorded = batch.action[0].reshape(taken.shape)
    np.testing.assert_array_equal(taken, np.clip(recorded, -1, 1).astype(float))


def test_discrete_actions_are_recorded_from_zero():
    from small_policies import Table

    policy = Table(jnp.zeros((1, 3, 3)))
    simulators = world(Spaces, observation="discrete", action="discrete")
    batch, many = sampler(simulators).sample(KEYS, policy)
    assert str(batch.observation.dtype) == "int32"
    assert set(np.unique(batch.observation)) <= {0, 1, 2}
    taken = np.stack([env.got for env in many._backend._envs], axis=1)
    np.testing.assert_array_equal(taken, batch.action[0] + 5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reset": FINE}, r"reset: it must return \(observation, info\)"),
        ({"reset": (FINE, {}, 0, 0, 0)}, r"reset: it must return \(observation, info\)"),
        ({"reset": ([0.0, 0.0], {})}, r"is a list, .*numpy.asarray"),
        ({"reset": (0.5, {})}, "is a float"),
        ({"reset": (np.zeros(3, np.float32), {})}, r"has shape \(3,\)"),
        ({"reset": (np.zeros(2, int), {})}, "has dtype int64"),
        ({"step": (FINE, 0.0, False, {})}, "a tuple of 4 parts. Split `done`"),
        ({"step": (FINE, [0.0], False, False, {})}, "must be one number"),
        ({"step": (FINE, 0.0, 0, False, {})}, r"terminated is 0: return bool\(terminated\)"),
        ({"step": (FINE, 0.0, False, False, None)}, "info is a NoneType"),
        ({"step": (np.zeros((2, 1), np.float32), 0.0, False, False, {})}, r"shape \(2, 1\)"),
    ],
)
def test_a_breach_of_contract_is_named_with_its_remedy(settings, message):
    with pytest.raises(EnvironmentContractError, match=message) as caught:
        sampler(world(Breach, **settings)).sample(KEYS, linear(1, size=2))
    assert "Breach" in str(caught.value)
    assert caught.value.exit_code == 3


def test_what_a_simulator_raises_comes_back_with_its_traceback(tmp_path):
    from small_simulators import Failing

    failing = world(Failing, how="raise", folder=str(tmp_path))
    with pytest.raises(UpslopeError, match=r"(?s)simulator 0\) raised in step.*on fire.*Traceback"):
        sampler(failing).sample(KEYS, linear(1))
