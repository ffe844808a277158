"""Sums of a million terms in single precision."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.compensated_sum import CompensatedSum


def summed(terms):
    def add(total, term):
        return total.add(term), None

    return jax.jit(lambda x: jax.lax.scan(add, CompensatedSum.start(x[0]), x)[0])(terms)


def plain(terms):
    return jax.jit(lambda x: jax.lax.scan(lambda s, r: (s + r, None), jnp.zeros(()), x)[0])(terms)


def test_a_million_rewards():
    """The plain sum, compiled in the same way, is 1 % off."""
    terms = jnp.full(10**6, 0.1, jnp.float32)
    want = float(np.float32(0.1)) * 10**6
    np.testing.assert_allclose(summed(terms).value, want, rtol=2e-7)
    assert abs(float(plain(terms)) / want - 1) > 5e-3


def test_small_terms_beside_a_large_one():
    """Kahan's own form, which compares nothing, loses the first term here; this one does not."""
    terms = jnp.asarray([1.0, 1e10, 1.0, -1e10], jnp.float32)
    assert float(summed(terms).value) == 2.0
    assert float(plain(terms)) != 2.0


def test_terms_of_both_signs_to_rounding():
    terms = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    exact = math.fsum(terms.astype(float))
    bound = np.finfo(np.float32).eps * abs(exact)
    assert abs(float(summed(jnp.asarray(terms)).value) - exact) <= bound
    assert abs(float(plain(jnp.asarray(terms))) - exact) > 5 * bound


def test_in_a_while_loop_elementwise_and_batched():
    def total(term):
        def more(carry):
            step, running = carry
            return step + 1, running.add(term)

        start = (0, CompensatedSum.start(term))
        return jax.lax.while_loop(lambda c: c[0] < 100_000, more, start)[1].value

    terms = jnp.asarray([[0.1, -0.3], [1.0, 1e-3]], jnp.float32)
    got = jax.jit(jax.vmap(total))(terms)
    np.testing.assert_allclose(got, 1e5 * np.asarray(terms, float), rtol=2e-7)


def test_what_is_not_finite_stays_so():
    for terms, want in (
        ([1.0, np.inf, 1.0], np.inf),
        ([1.0, -np.inf, 1.0], -np.inf),
        ([1.0, np.nan, 1.0], np.nan),
        ([np.inf, -np.inf], np.nan),
    ):
        np.testing.assert_equal(float(summed(jnp.asarray(terms, jnp.float32)).value), want)


def test_integers_become_floats_and_types_stay():
    assert CompensatedSum.start(jnp.zeros(3, int)).value.dtype == jnp.float32
    half = CompensatedSum.start(jnp.zeros((), jnp.float16)).add(1.0)
    assert half.value.dtype == jnp.float32
