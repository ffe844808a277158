"""Loops with one trip count for a whole batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.unbatched_reductions import any_across_batch, max_across_batch


def count_down(start):
    """A masked countdown; the second number is how often the loop ran."""

    def body(carry):
        left, trips = carry
        return jnp.maximum(left - 1, 0), trips + 1

    return jax.lax.while_loop(
        lambda carry: any_across_batch(carry[0] > 0), body, (start, jnp.zeros((), int))
    )


def test_alone_it_is_any_and_max():
    assert not bool(any_across_batch(jnp.zeros(3, bool)))
    assert bool(any_across_batch(jnp.asarray([False, True])))
    assert int(max_across_batch(jnp.asarray([3, 1]))) == 3


def test_in_a_batch_every_row_runs_as_long_as_the_longest():
    left, trips = jax.jit(jax.vmap(count_down))(jnp.asarray([[1, 2], [5, 0], [0, 0]]))
    assert not left.any()
    assert np.unique(trips).tolist() == [5]


def test_in_nested_batches_too():
    starts = jnp.asarray([[[1], [2]], [[7], [0]]])
    _, trips = jax.jit(jax.vmap(jax.vmap(count_down)))(starts)
    assert np.unique(trips).tolist() == [7]


def test_the_condition_is_not_batched():
    """A condition per row would make XLA copy the carry at every step to hold finished rows."""
    program = str(jax.make_jaxpr(jax.vmap(count_down))(jnp.zeros((3, 2), int)))
    condition = program[program.index("cond_jaxpr") :]
    assert "reduce_or" in condition
    assert "select_n" not in program


def test_largest_of_a_batch():
    got = jax.vmap(lambda x: max_across_batch(x) + 0 * x)(jnp.asarray([1, 4, 2]))
    np.testing.assert_array_equal(got, [4, 4, 4])
