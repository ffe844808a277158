"""Waits for compiled calls in Python, where a signal is heard."""

from __future__ import annotations

import time
from typing import TypeVar

import jax

from upslope.core.annotations import PyTree

T = TypeVar("T", bound=PyTree)

# Seconds between two looks: short at first, so that short calls are not kept waiting.
SHORTEST_LOOK, LONGEST_LOOK = 2e-5, 0.02

# Results that nobody waits for any more; a process cannot end before they are computed.
_left: list[jax.Array] = []


def fetched(arrays: T) -> T:
    """Arrays of a compiled call as NumPy's, once it has ended.

    `jax.device_get` waits outside of Python: a handler of signals runs when the call has ended.
    Here it runs, and may raise, while the call is under way.
    """
    pause = SHORTEST_LOOK
    for leaf in jax.tree.leaves(arrays):
        try:
            while isinstance(leaf, jax.Array) and not leaf.is_ready():
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_LOOK)
        except BaseException:
            _left.append(leaf)
            raise
    return jax.device_get(arrays)


def still_computing() -> bool:
    """Whether a call is under way that was left, which JAX would wait for at the process's end."""
    return any(not leaf.is_ready() for leaf in _left)
