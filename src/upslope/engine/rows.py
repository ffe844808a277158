"""Rows of the log: what happened in a stretch of iterations, summed up inside the program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.records import EpisodeStatistics
from upslope.sampling.experience import Dynamics, ExperienceSpec, Replay, Steps

# A run logs at most about this many rows per seed.
MAX_LOGGED_ROWS = 2000
# Diagnostics that hold the best return of a candidate, whichever the method has: a row keeps the
# best of its iterations instead of their mean.
BEST = ("best", "population_best")


class Diagnostics(Protocol):
    """What a method notes of an iteration: scalars, in a NamedTuple class of its own."""

    _fields: ClassVar[tuple[str, ...]]

    def __iter__(self) -> Iterator[Any]:
        """The scalars, in the order of `_fields`."""
        ...

    @classmethod
    def _make(cls: type[D], iterable: Iterable[Any], /) -> D: ...


D = TypeVar("D", bound=Diagnostics)

# What happened in one iteration of one seed, or of those that are vmapped.
Outcome: TypeAlias = tuple[EpisodeStatistics, Diagnostics]


class RowSums(NamedTuple):
    """The sums of a row under way, of one seed."""

    iterations: Array  # scalar int
    steps: Array  # scalar int: environment steps
    episodes: Array  # scalar int: that ended
    returns: Array  # scalar: their returns, summed
    lengths: Array  # scalar: their lengths, summed
    nonfinite_env: Array  # scalar int: as in `EpisodeStatistics`, of the first iteration with one
    nonfinite_step: Array  # scalar int
    diagnostics: Any  # of the method's class, scalars: sums of what is not NaN
    known: Any  # scalars: how many were not NaN


class Records(NamedTuple):
    """What happened in each of K rows of S seeds."""

    iterations: Any  # [K, S] int: how many the row sums up; 0 where the seed has no such row
    statistics: EpisodeStatistics  # leaves [K, S]
    diagnostics: Any  # leaves [K, S]: means over the iterations of the row
    finite: Any  # [K, S] bool: whether the policy was still finite afterwards
    # name to [K, S], what simulators told: means over episodes, NaN where none ended; () for none
    infos: dict[str, np.ndarray] | tuple[()] = ()


def iterations_per_row(experience: ExperienceSpec, total_timesteps: int) -> int:
    """How many iterations a row of the log is the mean of: ceil(iterations / 2000).

    Where an iteration is whole episodes, how many there will be is unknown and each is long enough
    to have a row of its own.
    """
    fresh = experience.fresh if isinstance(experience, Replay) else experience
    if isinstance(fresh, Steps):
        steps = fresh.n_envs * fresh.n_steps
    elif isinstance(fresh, Dynamics):
        steps = 1
    else:
        return 1
    iterations = -(-total_timesteps // steps)
    return max(-(-iterations // MAX_LOGGED_ROWS), 1)


def no_sums(diagnostics: Diagnostics) -> RowSums:
    """The sums of no iterations; `diagnostics` has the structure of a method's."""
    zero = jnp.zeros((), int)
    blank = _by_name(diagnostics, lambda name, _: jnp.full((), -jnp.inf if name in BEST else 0.0))
    none = jax.tree.map(lambda _: zero, blank)
    return RowSums(zero, zero, zero, jnp.zeros(()), jnp.zeros(()), zero, zero, blank, none)


def add(sums: RowSums, statistics: EpisodeStatistics, diagnostics: Diagnostics) -> RowSums:
    """The sums with one more iteration."""
    ended = statistics.episodes > 0
    numbers = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), diagnostics)
    known = jax.tree.map(lambda leaf: ~jnp.isnan(leaf), numbers)
    kept = _by_name(
        numbers,
        lambda name, leaf: jnp.where(jnp.isnan(leaf), -jnp.inf if name in BEST else 0.0, leaf),
    )
    both = list(zip(sums.diagnostics, kept, strict=True))
    total = diagnostics._make(
        jnp.maximum(a, b) if name in BEST else a + b
        for name, (a, b) in zip(diagnostics._fields, both, strict=True)
    )
    first = sums.nonfinite_env == 0
    return RowSums(
        iterations=sums.iterations + 1,
        steps=sums.steps + statistics.steps,
        episodes=sums.episodes + statistics.episodes,
        returns=sums.returns + jnp.where(ended, statistics.returns * statistics.episodes, 0.0),
        lengths=sums.lengths + jnp.where(ended, statistics.lengths * statistics.episodes, 0.0),
        nonfinite_env=jnp.where(first, statistics.nonfinite_env, sums.nonfinite_env),
        nonfinite_step=jnp.where(first, statistics.nonfinite_step, sums.nonfinite_step),
        diagnostics=total,
        known=jax.tree.map(lambda n, k: n + k, sums.known, known),
    )


def row_of(sums: RowSums, last: Outcome, finite: Array) -> Records:
    """The row that the sums make: means, weighted by episodes where they are of episodes.

    Args:
      sums: of the row.
      last: statistics and diagnostics of its last iteration: a row of one iteration is that
        iteration to the bit.
      finite: whether the policy is finite after it.
    """
    statistics, diagnostics = last
    alone = sums.iterations == 1
    ended = sums.episodes > 0
    episodes = jnp.maximum(sums.episodes, 1)

    def mean(total: Array, single: Array) -> Array:
        return jnp.where(alone, single, jnp.where(ended, total / episodes, jnp.nan))

    means = diagnostics._make(
        jnp.where(
            alone,
            jnp.asarray(single, float),
            jnp.where(known > 0, total if name in BEST else total / known, jnp.nan),
        )
        for name, single, total, known in zip(
            diagnostics._fields, diagnostics, sums.diagnostics, sums.known, strict=True
        )
    )
    return Records(
        iterations=sums.iterations,
        statistics=EpisodeStatistics(
            returns=mean(sums.returns, statistics.returns),
            lengths=mean(sums.lengths, statistics.lengths),
            episodes=sums.episodes,
            steps=sums.steps,
            nonfinite_env=sums.nonfinite_env,
            nonfinite_step=sums.nonfinite_step,
        ),
        diagnostics=means,
        finite=finite,
    )


def record_of(last: Outcome, finite: Array) -> Records:
    """The row of a single iteration."""
    statistics, diagnostics = last
    return Records(jnp.ones((), int), statistics, diagnostics, finite)


def count_rows(records: Records) -> int:
    """How many rows of the buffers are filled."""
    return int(np.count_nonzero(np.asarray(records.iterations).any(axis=1)))


def _by_name(diagnostics: D, function: Callable[[str, Array], Array]) -> D:
    named = zip(diagnostics._fields, diagnostics, strict=True)
    return diagnostics._make(function(name, leaf) for name, leaf in named)
