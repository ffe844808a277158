"""Packing rows loses no bit."""

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.packed_rows import pack_rows


def test_rows_come_back_bit_for_bit_in_any_order():
    rng = np.random.default_rng(0)
    shared = jnp.asarray(rng.normal(size=(6, 3)), jnp.float32).at[2, 1].set(jnp.nan)
    batch = {
        "shared": shared,
        "again": shared,
        "tiny": jnp.asarray([0.0, -0.0, 1e-40, jnp.inf, -jnp.inf, 1.0], jnp.float32),
        "action": jnp.asarray([0, -1, 2**31 - 1, 7, 5, -(2**31)], jnp.int32),
        "flag": jnp.asarray([True, False, True, True, False, False]),
        "byte": jnp.asarray(rng.integers(0, 255, (6, 2, 2)), jnp.uint8),
        "image": jnp.asarray(rng.integers(0, 255, (6, 20, 20)), jnp.uint8),
    }
    words, apart, unpack = pack_rows(batch)
    assert words.shape == (6, 3 + 1 + 1 + 1 + 4)  # what occurs twice is packed once
    assert len(apart) == 1
    rows = jnp.asarray([4, 0, 2, 2])
    rebuilt = jax.jit(lambda w, a: unpack(w[rows], [leaf[rows] for leaf in a]))(words, apart)
    for name, leaf in batch.items():
        assert rebuilt[name].dtype == leaf.dtype
        assert np.asarray(rebuilt[name]).tobytes() == np.asarray(leaf[rows]).tobytes(), name
