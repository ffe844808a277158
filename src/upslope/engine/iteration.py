"""One iteration of any search: ask, sample, tell."""

from __future__ import annotations

import zlib

import jax
from jax import Array

from upslope.core.records import Replayed
from upslope.engine.rows import Diagnostics
from upslope.objectives.objective import Objective
from upslope.sampling.jax_sampler import JaxSampler
from upslope.search.search_method import Experience, SearchMethod, State
from upslope.search.wrappers.method_wrapper import MethodWrapper


def iterate(
    key: Array,
    method: SearchMethod[State, Experience],
    objective: Objective,
    state: State,
    sampler: JaxSampler,
) -> tuple[State, JaxSampler, Diagnostics]:
    """ask, sample, tell. Pure: jit it, vmap it over seeds, scan it.

    Args:
      key: of this iteration, consumed: `iteration_key(run_key, seed, iteration)`.
      method: the search.
      objective: J.
      state: the method's.
      sampler: of the environment.

    Returns:
      The method's next state, the sampler moved on, and the diagnostics.
    """
    ask_key, sample_key, tell_key = jax.random.split(key, 3)
    candidates = method.ask(ask_key, state)
    experience, sampler = sampler.sample(sample_key, candidates)
    state, diagnostics = method.tell(tell_key, state, candidates, experience, objective)
    if isinstance(experience, Replayed):
        priorities = method.priorities(state)
        if priorities is not None:
            sampler = sampler.set_priorities(experience, priorities)
    return state, sampler, diagnostics


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
