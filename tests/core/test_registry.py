"""The table of names: what is registered, shadowed and removed."""

import pytest

from upslope.core.checks import UpslopeError
from upslope.core.registry import Registry


def one():
    """A thing."""


def other():
    """Another thing."""


@pytest.fixture
def table():
    registry = Registry("thing")
    registry.register("first", one, "the first")
    registry.register("second", other)
    return registry


def test_a_name_is_taken_once(table):
    table.register("first", one, "the same again")
    with pytest.raises(UpslopeError, match="'first' is taken"):
        table.register("first", other)
    assert table.get("first") is one


def test_a_name_can_be_removed(table):
    table.unregister("first")
    assert table.names() == ["second"]
    with pytest.raises(UpslopeError, match=r"Unknown thing 'first'.*Known: second"):
        table.unregister("first")
    table.register("first", other)
    assert table.get("first") is other


def test_a_name_is_shadowed_within_a_block_alone(table):
    with table.registered("first", other, "in its place"):
        assert table.get("first") is other
        assert table.entry("first").summary == "in its place"
    assert table.get("first") is one
    assert table.names() == ["first", "second"]


def test_an_error_in_the_block_leaves_the_table_as_it_was(table):
    def fail():
        with table.registered("third", one):
            table.register("fourth", one)
            table.unregister("second")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert table.names() == ["first", "second"]
