"""A search over a function that JAX can trace: one compiled program."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core import tree
from upslope.core.annotations import PyTree
from upslope.optimization.evaluation import FunctionCall
from upslope.optimization.problem import FunctionProblem, Numbers

CHUNK = 4096  # iterations between two looks at the host


class Progress(NamedTuple):
    """Where a search stands; all a compiled chunk carries."""

    state: PyTree  # of the method
    best: Array  # scalar: the best value so far, larger is better
    best_point: PyTree  # the x it was seen at
    least: Array  # scalar: the worst finite value so far
    iteration: Array  # scalar int
    finite: Array  # scalar int: how many evaluations were finite


class Limits(NamedTuple):
    """When to stop."""

    iterations: int  # asks and tells
    steps: float  # iterations as the method counts them (`steps_of`); infinite for no limit
    target: float  # of what is maximised; infinite for none


def steps_of(progress: Progress) -> Array:
    """Iterations as the method counts them: Nelder-Mead's are steps of its simplex."""
    return getattr(progress.state, "iterations", progress.iteration)


def first_progress(problem: FunctionProblem, seed: int) -> tuple[Progress, Array, Array]:
    """Before the first iteration; the key of the search; and one for what comes after it.

    Keys as their plain words [2]: with typed keys among its arguments or results, each call of a
    program goes through Python and takes longer than ten generations of a small problem.
    """
    return _first_progress(problem.numbers, np.uint32(seed), dimension=problem.dimension)


def begun(numbers: Numbers, seed: Array, *, dimension: int) -> tuple[Progress, Array, Array]:
    """`first_progress`, not compiled."""
    problem = FunctionProblem.of_numbers(numbers, dimension)
    key, *others = jax.random.split(jax.random.key(seed), 3)
    state = problem.method.init(key, problem.start, problem.objective)
    state = jax.tree.map(jnp.asarray, state)
    point = jax.tree.map(jnp.asarray, problem.solution(state))
    low, zero = jnp.full((), -jnp.inf), jnp.zeros((), int)
    search, later = (jax.random.key_data(other) for other in others)
    return (
        Progress(state=state, best=low, best_point=point, least=-low, iteration=zero, finite=zero),
        search,
        later,
    )


_first_progress = jax.jit(begun, static_argnames="dimension")


def keys_of(words: Array, iteration: Array) -> tuple[Array, Array, Array]:
    """The keys of one iteration: ask, evaluate, tell. Nothing is stored, so a search resumes.

    Each by itself: those that a method and a function do not use are never computed.
    """
    key = jax.random.wrap_key_data(words)
    ask, evaluate, tell = (jax.random.fold_in(key, 3 * iteration + k) for k in range(3))
    return ask, evaluate, tell


def advanced(
    problem: FunctionProblem, progress: Progress, key: Array, candidates: PyTree, values: Array
) -> tuple[Progress, Array]:
    """The progress after the values [P, E] of the candidates, and their mean.

    Values that are not finite are NaN to the method: the worst, on either side.
    """
    values = jnp.where(jnp.isfinite(values), values, jnp.nan)
    tell_key = keys_of(key, progress.iteration)[2]
    state = problem.told(tell_key, progress.state, candidates, values)
    means = jnp.mean(values, axis=1)
    finite = jnp.isfinite(means)
    ranked = jnp.where(jnp.isnan(means), -jnp.inf, means)
    top = jnp.argmax(ranked)
    better = ranked[top] > progress.best
    point = tree.take(problem.points(candidates), top)
    mean = jnp.sum(jnp.where(finite, means, 0.0)) / jnp.sum(finite)
    new = Progress(
        state=state,
        best=jnp.where(better, ranked[top], progress.best),
        best_point=tree.where(better, point, progress.best_point),
        least=jnp.minimum(progress.least, jnp.min(jnp.where(finite, means, jnp.inf))),
        iteration=progress.iteration + 1,
        finite=progress.finite + jnp.sum(jnp.isfinite(values)),
    )
    return new, mean


@functools.partial(jax.jit, static_argnames=("call", "program", "sign", "dimension"))
def compiled_search(
    numbers: Numbers,
    seed: Array,
    iterations: Array,
    steps: Array,
    target: Array,
    *,
    call: FunctionCall,
    program: str,
    sign: float,
    dimension: int,
) -> tuple[Progress, Array, Array, Array]:
    """`first_progress` and `compiled_chunk` in one program, for searches of one chunk.

    A search of a small function is a millisecond, of which a second program would take a tenth.

    Args:
      numbers: as for `compiled_chunk`, like the others.
      seed: of the search.
      iterations: at most so many, and at most `CHUNK`.
      steps: at most so many of the method's own, see `steps_of`.
      target: at which it stops.
      call: what is searched.
      program: digest of it.
      sign: 1 to maximise f, -1 to minimise it.
      dimension: of the problem.

    Returns:
      The progress, the best and the mean value of each iteration, and the key for what comes after.
    """
    progress, key, later = begun(numbers, seed, dimension=dimension)
    return *_chunk(numbers, progress, key, iterations, steps, target, call, sign, dimension), later


@functools.partial(jax.jit, static_argnames=("call", "program", "sign", "dimension"))
def compiled_chunk(
    numbers: Numbers,
    progress: Progress,
    key: Array,
    iterations: Array,
    steps: Array,
    target: Array,
    *,
    call: FunctionCall,
    program: str,
    sign: float,
    dimension: int,
) -> tuple[Progress, Array, Array]:
    """Up to `CHUNK` iterations; compiled once for what f computes, whatever the numbers.

    Args:
      numbers: method, start, transform and objective of the problem.
      progress: where the search stands.
      key: of the search, as words.
      iterations: at most so many.
      steps: at most so many of the method's own, see `steps_of`.
      target: at which it stops.
      call: what is searched, in JAX.
      program: digest of what f computes, see `traced`; another one is compiled anew.
      sign: 1 to maximise f, -1 to minimise it.
      dimension: of the problem.

    Returns:
      The progress after them, and the best and the mean value of each.
    """
    return _chunk(numbers, progress, key, iterations, steps, target, call, sign, dimension)


def _chunk(
    numbers: Numbers,
    progress: Progress,
    key: Array,
    iterations: Array,
    steps: Array,
    target: Array,
    call: FunctionCall,
    sign: float,
    dimension: int,
) -> tuple[Progress, Array, Array]:
    problem = FunctionProblem.of_numbers(numbers, dimension)
    spec = problem.spec
    episodes, common = spec.episodes_per_candidate, spec.common_random_numbers

    def evaluate(key: Array, points: PyTree, population: int) -> Array:
        each = (lambda x, k: call(x, k)) if call.vectorized else jax.vmap(call, in_axes=(0, None))
        if not call.keyed:
            values = jnp.asarray(each(points, None))
            return sign * jnp.broadcast_to(values[:, None], (population, episodes))
        if common or call.vectorized:
            keys = jax.random.split(key, episodes)
            return sign * jax.vmap(lambda k: jnp.asarray(each(points, k)), out_axes=1)(keys)
        keys = jax.random.split(key, (population, episodes))
        of_point = lambda x, row: jax.vmap(lambda k: jnp.asarray(call(x, k)))(row)  # noqa: E731
        return sign * jax.vmap(of_point)(points, keys)

    def step(progress: Progress) -> tuple[Progress, Array]:
        ask_key, evaluation_key, _ = keys_of(key, progress.iteration)
        candidates = problem.method.ask(ask_key, progress.state)
        points = problem.points(candidates)
        population = jax.tree.leaves(candidates)[0].shape[0]
        values = evaluate(evaluation_key, points, population)
        return advanced(problem, progress, key, candidates, values.astype(progress.best.dtype))

    def going(carry: tuple[Array, Progress, Array, Array]) -> Array:
        count, progress, _, _ = carry
        stopped = problem.method.stopped(progress.state) != 0
        ahead = (count < iterations) & (steps_of(progress) < steps)
        return ahead & (progress.best < target) & ~stopped

    def body(
        carry: tuple[Array, Progress, Array, Array],
    ) -> tuple[Array, Progress, Array, Array]:
        count, progress, best, mean = carry
        progress, value = step(progress)
        return count + 1, progress, best.at[count].set(progress.best), mean.at[count].set(value)

    blank = jnp.full(CHUNK, jnp.nan, progress.best.dtype)
    carry = (jnp.zeros((), int), progress, blank, blank)
    _, progress, best, mean = jax.lax.while_loop(going, body, carry)
    return progress, best, mean


@functools.partial(jax.jit, static_argnames="dimension")
def _told(
    numbers: Numbers,
    progress: Progress,
    key: Array,
    candidates: PyTree,
    values: Array,
    *,
    dimension: int,
) -> tuple[Progress, Array]:
    problem = FunctionProblem.of_numbers(numbers, dimension)
    return advanced(problem, progress, key, candidates, values)


def told(
    problem: FunctionProblem, progress: Progress, key: Array, candidates: PyTree, values: Array
) -> tuple[Progress, Array]:
    """`advanced`, compiled."""
    dimension = problem.dimension
    return _told(problem.numbers, progress, key, candidates, values, dimension=dimension)
