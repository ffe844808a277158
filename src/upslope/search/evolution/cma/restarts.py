"""Restarts of CMA-ES with larger (and smaller) populations, inside one compiled program."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from upslope.core import tree
from upslope.search.evolution.cma.box_transform import BoxTransform
from upslope.search.evolution.cma.descent import Descent, start_run
from upslope.search.evolution.cma.strategy_parameters import StrategyParameters, strategy_parameters


class Restarts(NamedTuple):
    """What outlives a run. A population of 2^k P is gathered from 2^k asks of P."""

    start: Array  # [D] where the search began
    level: Array  # scalar int k: this run's population is 2^k P
    growing_level: Array  # scalar int: k of the last run of growing populations
    count: Array  # scalar int: restarts so far
    small: Array  # scalar bool: this run is one of BIPOP's small ones
    spent: Array  # [2] evaluations by growing and by small runs
    filled: Array  # scalar int: candidates gathered for this population
    steps: Array  # [2^K P, D]
    returns: Array  # [2^K P]
    best_mean: Array  # [D] where the best of the runs that are over ended
    best_return: Array  # scalar: the best return in its last population


def start_restarts(mean: Array, population_size: int, doublings: int) -> Restarts:
    """Before the first run, which starts at `mean` [D]."""
    most = population_size * 2**doublings
    zero = jnp.zeros((), int)
    nothing = jnp.full((), -jnp.inf, mean.dtype)
    return Restarts(
        start=mean,
        level=zero,
        growing_level=zero,
        count=zero,
        small=zero > 0,
        spent=jnp.zeros(2, int),
        filled=zero,
        steps=jnp.zeros((most, mean.size), mean.dtype),
        returns=jnp.full((most,), -jnp.inf, mean.dtype),
        best_mean=mean,
        best_return=nothing,
    )


def parameters_at(
    level: Array,
    dimension: int,
    population_size: int,
    doublings: int,
    dtype: DTypeLike,
    *,
    active: bool,
    separable: bool,
) -> tuple[StrategyParameters, Array]:
    """The constants for a population of 2^level P, and that population's size.

    The weights are padded with zeros to the largest population, [2^K P].
    """
    sizes = [population_size * 2**k for k in range(doublings + 1)]
    rows = [
        strategy_parameters(dimension, size, active=active, separable=separable) for size in sizes
    ]
    padded = [np.pad(row.weights, (0, sizes[-1] - row.weights.size)) for row in rows]
    rows = [row._replace(weights=weights) for row, weights in zip(rows, padded, strict=True)]
    table = jax.tree.map(lambda *x: jnp.asarray(np.stack(x), dtype)[level], *rows)
    return table, jnp.asarray(np.asarray(sizes))[level]


def restarted(
    key: Array,
    run: Descent,
    restarts: Restarts,
    stop: Array,
    last_return: Array,
    std: float | Array,
    box: BoxTransform,
    population_size: int,
    *,
    bipop: bool,
) -> tuple[Descent, Restarts]:
    """A fresh run when the last one has stopped, else the run as it is.

    IPOP doubles the population at each restart. BIPOP spends as much again on small runs, whose
    population and first step are drawn at random between the first ones and half the largest.
    Within finite bounds a run starts anywhere in the box, else where the search began.

    References:
      Auger and Hansen (2005); Hansen (2009).
    """
    size_key, std_key, place_key = jax.random.split(key, 3)
    kept = last_return > restarts.best_return
    best_mean = jnp.where(kept, run.mean, restarts.best_mean)
    best_return = jnp.where(kept, last_return, restarts.best_return)

    top = int(np.log2(restarts.returns.size // population_size))
    small = bipop & (restarts.spent[1] < restarts.spent[0]) & (restarts.growing_level > 0)
    grown = jnp.minimum(restarts.growing_level + 1, top)
    share, less = jax.random.uniform(size_key), jax.random.uniform(std_key)
    drawn = jnp.round((restarts.growing_level - 1) * share**2).astype(grown.dtype)
    sigma = std * jnp.where(small, 10 ** (-2 * less), 1.0)
    mean = restarts.start
    low, high, _, _ = box.limits(mean)
    anywhere = low + (high - low) * jax.random.uniform(place_key, mean.shape, mean.dtype)
    bounded = jnp.isfinite(low) & jnp.isfinite(high)
    mean = jnp.where(bounded, box.inverse(jnp.where(bounded, anywhere, mean)), mean)
    fresh = start_run(
        mean,
        sigma,
        population_size,
        separable=not hasattr(run.shape, "axes"),
        integers=run.scale is not None,
    )
    again = restarts._replace(
        level=jnp.where(small, drawn, grown),
        growing_level=jnp.where(small, restarts.growing_level, grown),
        count=restarts.count + 1,
        small=small,
        best_mean=best_mean,
        best_return=best_return,
    )
    return tree.where(stop > 0, (fresh, again), (run, restarts))
