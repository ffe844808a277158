"""A process that compiles without end stays within the memory mappings that it is granted."""

import jax.numpy as jnp
import pytest

from compiled_programs import LISTING, keep_below, mappings

pytestmark = pytest.mark.skipif(not LISTING.exists(), reason="mappings are not listed here")


@pytest.mark.slow
def test_forgotten_programs_give_their_mappings_back():
    jnp.zeros(1000) + 1.0
    before = mappings()
    for n in range(1001, 1041):  # a program for each shape of each operation
        jnp.zeros(n) + 1.0
    held = mappings()
    assert held > before + 80
    assert not keep_below(held + 1000)
    assert mappings() > before + 80
    assert keep_below(before)
    assert mappings() < before + 40
