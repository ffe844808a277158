"""Whole searches of a compiled upslope program, one after another."""

from collections.abc import Callable

import jax
import numpy as np

from upslope.engine.jax_program import JaxProgram

# Iterations per call, at most: the program returns earlier where its log is full.
MAX_ITERATIONS = 1_000_000


def whole_search(program: JaxProgram, seeds: int, budget: int) -> Callable[[int], None]:
    """`run(number)`: a search of all seeds from fresh policies, another one per number."""

    def run(number: int) -> None:
        program.seed = np.uint32(number)
        carry, steps = program.start(), np.zeros(seeds, np.int64)
        while np.any(steps < budget):
            carry, records = program.advance(carry, budget - steps, MAX_ITERATIONS)
            steps += np.sum(np.where(records.iterations > 0, records.statistics.steps, 0), axis=0)
        jax.block_until_ready(carry)
        assert np.all(steps == budget), steps

    return run
