"""One iteration of any search: ask, sample, tell."""

from __future__ import annotations

from typing import Any

import jax
from jax import Array

from upslope.core.records import Replayed
from upslope.objectives.objective import Objective
from upslope.sampling.jax_sampler import JaxSampler
from upslope.search.search_method import Experience, SearchMethod, State


def iterate(
    key: Array,
    method: SearchMethod[State, Experience],
    objective: Objective,
    state: State,
    sampler: JaxSampler,
) -> tuple[State, JaxSampler, Any]:
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
