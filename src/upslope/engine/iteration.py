"""The keys of a run's streams and iterations, and whether its method may stop."""

from __future__ import annotations

import zlib

import jax
from jax import Array

from upslope.search.iteration import iterate as iterate  # part of the loop's interface
from upslope.search.search_method import SearchMethod
from upslope.search.wrappers.method_wrapper import MethodWrapper


def may_stop(method: SearchMethod) -> bool:
    """Whether the method ever says that it has stopped."""
    while isinstance(method, MethodWrapper):
        method = method.method
    return type(method).stopped is not SearchMethod.stopped


def stream_key(seed: int | Array, stream: str) -> Array:
    """The key of a named stream of a run: streams of one run, and of two runs, are distinct.

    Args:
      seed: the run's; an int or a traced uint32.
      stream: `"search"`, `"evaluation"`, ...; a hash of the name is folded in.
    """
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(stream.encode()))


def iteration_key(run_key: Array, seed: Array | int, iteration: Array | int) -> Array:
    """The key of iteration k of seed s. It is never stored: a resumed run computes it anew."""
    return jax.random.fold_in(jax.random.fold_in(run_key, seed), iteration)
