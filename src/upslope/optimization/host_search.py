"""A search over a function on the host: one compiled call for each population."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import PyTreeDef

from upslope.core.annotations import PyTree
from upslope.engine.executables import compiled
from upslope.optimization.loops import Progress, advanced, begun, keys_of, steps_of
from upslope.optimization.problem import FunctionProblem
from upslope.sampling.experience import EpisodeReturns

# What the host reads after each population, as one vector.
BEST, MEAN, FINITE, STOPPED, STEPS = range(5)
# Structure, shapes and types of the numbers of a problem.
Signature = tuple[PyTreeDef, tuple[tuple[tuple[int, ...], str], ...]]


class Programs(NamedTuple):
    """The compiled halves of a search. Trees cross them as lists of their leaves.

    A call then costs what its buffers cost: to flatten and compare trees of modules in Python would
    take longer than the arithmetic of a small population.
    """

    # (numbers, seed) -> what stands, key of the search, key for later, points, words of keys
    begin: Callable[[list[Array], np.ndarray], tuple[list[Array], Array, Array, PyTree, Any]]
    # (numbers, what stands, key, values) -> what stands, points, words, what the host reads
    advance: Callable[
        [list[Array], list[Array], Array, np.ndarray], tuple[list[Array], PyTree, Any, Array]
    ]
    standing: PyTreeDef  # of what stands: the progress, and the candidates under evaluation


class HostSearch:
    """Tells the values of a population and asks for the next one in one compiled call.

    Args:
      problem: what is searched.
      seed: of the search.
      keyed: whether evaluations need keys.
      vectorized: whether one evaluation is that of a population.
    """

    def __init__(self, problem: FunctionProblem, seed: int, *, keyed: bool, vectorized: bool):
        leaves, structure = jax.tree.flatten(problem.numbers)
        self._numbers = [jnp.asarray(leaf) for leaf in leaves]
        kinds = tuple((leaf.shape, str(leaf.dtype)) for leaf in self._numbers)
        self._programs = _programs((structure, kinds), problem.dimension, keyed, vectorized)
        begun = self._programs.begin(self._numbers, np.asarray(seed, np.uint32))
        self._standing, self._key, self.later, self._points, self._words = begun

    def asked(self) -> tuple[PyTree, np.ndarray | None]:
        """The points to evaluate, NumPy arrays [P, ...] of their own, and the words of their keys.

        The words are None where no keys are needed, else those of all evaluations in a row.
        """
        words = None if self._words is None else np.asarray(self._words)
        if isinstance(self._points, Array):
            return np.array(self._points), words
        return jax.tree.map(np.array, self._points), words

    def tell(self, values: np.ndarray) -> np.ndarray:
        """Goes on after the values [P, E], to be maximised, of what was asked.

        Returns:
          The best value so far, the mean of these, how many were finite so far, the code of
          `stopped` and the method's iterations, as floats.
        """
        self._standing, self._points, self._words, read = self._programs.advance(
            self._numbers, self._standing, self._key, values
        )
        return np.asarray(read)

    @property
    def progress(self) -> Progress:
        """Where the search stands."""
        return jax.tree.unflatten(self._programs.standing, self._standing)[0]


@functools.lru_cache(maxsize=64)
def _programs(signature: Signature, dimension: int, keyed: bool, vectorized: bool) -> Programs:
    """Compiled for problems of one kind, whatever their numbers."""
    structure, kinds = signature
    standing: list[PyTreeDef] = []

    def problem_of(numbers: list[Any]) -> FunctionProblem:
        return FunctionProblem.of_numbers(jax.tree.unflatten(structure, numbers), dimension)

    def asked(problem: FunctionProblem, progress: Progress, key: Array) -> tuple[Any, ...]:
        ask_key, evaluation_key, _ = keys_of(key, progress.iteration)
        candidates = problem.method.ask(ask_key, progress.state)
        leaves, tree = jax.tree.flatten((progress, candidates))
        standing.append(tree)
        words = None
        if keyed:
            words = _words(evaluation_key, problem.spec, vectorized)
        return leaves, problem.points(candidates), words

    def begin(numbers: list[Array], seed: Array) -> tuple[Any, ...]:
        problem = problem_of(numbers)
        progress, key, later = begun(problem.numbers, seed, dimension=dimension)
        leaves, points, words = asked(problem, progress, key)
        return leaves, key, later, points, words

    def advance(numbers: list[Array], leaves: list[Array], key: Array, values: Array) -> Any:
        problem = problem_of(numbers)
        progress, candidates = jax.tree.unflatten(standing[0], leaves)
        progress, mean = advanced(problem, progress, key, candidates, values)
        stopped = problem.method.stopped(progress.state)
        read = [progress.best, mean, progress.finite, stopped, steps_of(progress)]
        read = jnp.stack([jnp.asarray(number, float) for number in read])
        return *asked(problem, progress, key), read

    shaped = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in kinds]
    first = jax.jit(begin).lower(shaped, jax.ShapeDtypeStruct((), np.uint32))
    leaves, key, _, points, _ = first.out_info
    episodes = problem_of(shaped).spec.episodes_per_candidate
    size = jax.tree.leaves(points)[0].shape[0]
    values = jax.ShapeDtypeStruct((size, episodes), float)
    later = jax.jit(advance).lower(shaped, leaves, key, values)
    # A function of the host's takes longer than an update: what compiles in half the time is best.
    cheap = functools.partial(compiled, optimize="compile_time")
    return Programs(cheap(first), cheap(later), standing[0])


def _words(key: Array, spec: EpisodeReturns, vectorized: bool) -> Array:
    """Words of the keys of all evaluations of a population, those of a point in a row."""
    episodes = spec.episodes_per_candidate
    if vectorized:
        return jax.random.key_data(jax.random.split(key, episodes))
    if spec.common_random_numbers:
        common = jax.random.key_data(jax.random.split(key, episodes))
        return jnp.tile(common, (spec.population_size, 1))
    return jax.random.key_data(jax.random.split(key, spec.population_size * episodes))
