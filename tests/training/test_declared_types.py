"""Settings are checked from their declared types: random values are taken, or refused by name."""

import dataclasses
import math
import warnings
from typing import Literal

import jax
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.search import METHODS
from upslope.training.build import build, method_of
from upslope.training.config import OBJECTIVE_SETTINGS, POLICY_SETTINGS, RUN_SETTINGS, resolve
from upslope.training.declared_types import as_declared
from upslope.training.settings import method_settings

VALUES = [
    *(2**31, 2**40, 10**20, -(2**31) - 1, -1, 0, 1, 3, 1.5, 1e300, math.nan, math.inf),
    *("x", "", b"x", None, True, {}, {"a": 1}, [], [1, 2], (1,), [[1]], [[1], [1, 2]]),
    *(object(), 1j, int, len, np.zeros(2), np.float32(0.5), np.array("x")),
]


@pytest.mark.parametrize("method", METHODS.names())
def test_every_setting_takes_a_value_or_refuses_it_by_name(method):
    """Errors of other kinds, and hanging, are what this finds: some 400 cases for each method."""
    environment = {"exact-gradient-ascent": "garnet"}.get(method, "CartPole-v1")
    names = dict(method_settings(METHODS.get(method)))
    others = {**RUN_SETTINGS, **POLICY_SETTINGS, **OBJECTIVE_SETTINGS}
    names |= others if method == "cem" else {}
    taken = unnamed = 0
    for name in names:
        for value in VALUES:
            try:
                config = resolve(environment, method, {name: value})
                made = method_of(config)
                if name in POLICY_SETTINGS or name in OBJECTIVE_SETTINGS:
                    build(config)
            except UpslopeError as error:
                unnamed += name.rstrip("s") not in str(error)  # loggers: "Unknown logger"
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert not any(np.isnan(leaf).any() for leaf in numbers(made))
            taken += 1
    assert taken > 0
    assert unnamed == 0


def numbers(method):
    """The hyper-parameters as JAX reads them."""
    return [np.asarray(jax.numpy.asarray(leaf)) for leaf in jax.tree.leaves(method)]


@dataclasses.dataclass
class Case:
    """A value, the type that is declared, and what comes of it."""

    value: object
    hint: object
    result: object


@pytest.mark.parametrize(
    "case",
    [
        Case("1e6", int, 1_000_000),
        Case("100k", int, 100_000),
        Case(8.0, int | None, 8),
        Case(None, int | None, None),
        Case(3, float, 3),
        Case(2**31, float, 2.0**31),
        Case(0.5, float | jax.Array, 0.5),
        Case("mean", Literal["mean", "value"], "mean"),
        Case("tanh", str, "tanh"),
        Case([1, 2], jax.Array | None, [1, 2]),
    ],
)
def test_what_is_taken(case):
    value = as_declared("PPO", "it", case.value, case.hint, 1)
    assert (value, type(value)) == (case.result, type(case.result))


@pytest.mark.parametrize(
    ("value", "hint", "word"),
    [
        (2**31, int, "PPO got it=2147483648: must be at most 2147483647"),
        (-(10**40), float, "at least -1e"),
        (1e300, float | jax.Array, "at most 1e"),
        ("x", float, "must be a number"),
        (True, int, "must be a number"),
        (1, bool, "must be True or False"),
        ({}, str, "must be a name"),
        (7, Literal["mean", "value"], "must be 'mean' or 'value'"),
        ("men", Literal["mean", "value"], "Did you mean 'mean'"),
        ([], str | None, "must be a name or None"),
        ("x", jax.Array | None, "an array of numbers"),
        ([[1], [1, 2]], jax.Array, "an array of numbers"),
    ],
)
def test_what_is_refused(value, hint, word):
    with pytest.raises(UpslopeError, match=word):
        as_declared("PPO", "it", value, hint, 1)


@pytest.mark.parametrize("name", ["seeds", "evaluations", "evaluation_episodes", "final_episodes"])
def test_absurd_numbers_of_a_run_are_refused(name):
    with pytest.raises(UpslopeError, match=rf"{name}=1000001: must be at most"):
        resolve("CartPole-v1", "cem", {name: 1_000_001})
