"""A signal is heard while a compiled call is under way."""

import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.engine import waiting
from upslope.engine.waiting import fetched, still_computing


class Heard(BaseException):
    """What the handler raises."""


@pytest.fixture
def heard():
    """A handler that raises a moment from now, and any number of times."""

    def handler(number, frame):
        raise Heard

    before = signal.signal(signal.SIGALRM, handler)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    waiting._left.clear()


def test_what_has_ended_is_fetched_as_numpy():
    tree = {"a": jnp.arange(3) + 1, "b": (np.ones(2), 4)}
    found = fetched(tree)
    assert isinstance(found["a"], np.ndarray)
    np.testing.assert_array_equal(found["a"], [1, 2, 3])
    np.testing.assert_array_equal(found["b"][0], 1)
    assert not still_computing()


def test_a_call_is_left_when_a_signal_is_heard(heard):
    """The loop has no end but its last index: it is still under way when it is left."""

    def loop(x, count):
        return jax.lax.fori_loop(0, count, lambda _, a: jnp.sin(a) * 1.01, x)

    program = jax.jit(loop).lower(jnp.ones(50_000), 0).compile()
    x = jnp.ones(50_000)
    under_way = program(x, 2_000)
    heard()
    with pytest.raises(Heard):
        fetched(under_way)
    assert still_computing()
    assert not under_way.is_ready()
    jax.block_until_ready(under_way)
    assert not still_computing()
