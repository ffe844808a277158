"""Counts of steps far beyond what one 32-bit number holds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from upslope.search.gradient.ascent import remaining
from upslope.search.step_count import StepCount


def test_a_count_neither_wraps_nor_stops():
    count, steps = StepCount.start(), 2**32 - 1
    add = jax.jit(StepCount.add)
    for n in range(1, 6):
        count = add(count, jnp.asarray(steps, jnp.uint32))
        assert int(count.high) * 2**32 + int(count.low) == n * steps


@pytest.mark.parametrize("start", [2**24, 2**26, 2**31 - 2, 2**32 - 2])
def test_small_steps_count_at_any_height(start):
    count = StepCount(low=jnp.asarray(start, jnp.uint32), high=jnp.zeros((), jnp.uint32))
    count, _ = jax.lax.scan(lambda c, _: (c.add(jnp.asarray(1)), None), count, None, 3000)
    assert int(count.high) * 2**32 + int(count.low) == start + 3000
    np.testing.assert_allclose(float(count.value), start + 3000, rtol=2e-7)
    # What was wrong: a float32 sum stays where it is.
    plain, _ = jax.lax.scan(lambda c, _: (c + 1, None), jnp.float32(start), None, 3000)
    assert float(plain) != start + 3000


def test_a_schedule_goes_on_beyond_two_to_the_thirty_one():
    total = 2.0**33
    count = StepCount(low=jnp.zeros((), jnp.uint32), high=jnp.ones((), jnp.uint32))
    assert float(remaining(count.value, total)) == 0.5
