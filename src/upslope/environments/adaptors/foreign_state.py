"""States of other libraries, made fit to be carried through a compiled loop."""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp

S = TypeVar("S")  # the class of a state


def strong(state: S) -> S:
    """The same state with every leaf an array of a definite type (no Python numbers)."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.asarray(leaf).dtype), state)


def like(state: S, before: S) -> S:
    """The state with the types and shapes of the one before it, so that a loop can carry it."""
    return jax.tree.map(
        lambda leaf, old: jnp.asarray(leaf, old.dtype).reshape(jnp.shape(old)), state, before
    )
