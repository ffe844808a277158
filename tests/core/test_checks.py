"""What counts as a number, a size, a switch, a path and a table."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.checks import (
    UpslopeError,
    check_number,
    check_path,
    check_switch,
    check_table,
)
from upslope.core.registry import Registry


@pytest.mark.parametrize("value", [True, False, np.True_, "3e-4", "nan", b"1", np.str_("1")])
def test_switches_and_text_are_not_numbers(value):
    with pytest.raises(UpslopeError, match="must be a number"):
        check_number("A thing", "size", value)


@pytest.mark.parametrize("value", [8.0, np.float32(8), np.float64(8), jnp.float32(8), 1e6])
def test_a_size_that_is_a_float_is_refused(value):
    with pytest.raises(
        UpslopeError, match=re.escape(f"must be an int, got the float {float(value)!r}.")
    ):
        check_number("A thing", "size", value, integer=True)
    check_number("A thing", "size", value)


@pytest.mark.parametrize("value", [8, np.int32(8), np.uint8(8), np.int64(8), jnp.int32(8)])
def test_integers_of_all_kinds_are_sizes(value):
    check_number("A thing", "size", value, integer=True, at_least=8, at_most=8)


def test_a_traced_number_passes():
    def traced(x):
        check_number("A thing", "rate", x, above=0)
        return x

    assert jax.jit(traced)(-1.0) == -1.0


@pytest.mark.parametrize("value", ["no", "false", 0, 1, None, 1.0])
def test_only_true_and_false_are_switches(value):
    with pytest.raises(UpslopeError, match="True or False"):
        check_switch("A thing", "on", value)


def test_true_and_false_are_switches():
    for value in (True, False, np.True_, np.False_):
        check_switch("A thing", "on", value)


@pytest.mark.parametrize("name", [3, None, ["a"], object()])
def test_a_registry_asks_for_a_name(name):
    table = Registry("method")
    table.register("a", dict)
    with pytest.raises(UpslopeError, match=r"given by its name.*Known: a"):
        table.get(name)


@pytest.mark.parametrize("value", [None, 3, b"here", ["a"]])
def test_what_is_no_path_is_named(value):
    with pytest.raises(UpslopeError, match="out="):
        check_path("A thing", "out", value)


def test_strings_and_paths_are_paths():
    assert check_path("A thing", "out", "a/b") == check_path("A thing", "out", Path("a/b"))


@pytest.mark.parametrize("value", [[1], [("a", 1)], "a", 3, {1: 2}])
def test_what_is_no_table_is_named(value):
    with pytest.raises(UpslopeError, match="settings="):
        check_table("A thing", "settings", value)


def test_tables_come_back_as_copies():
    given = {"a": 1}
    assert check_table("A thing", "settings", given) == given
    assert check_table("A thing", "settings", given) is not given
    assert check_table("A thing", "settings", None) == {}
