"""Where a search over a function starts, and the box it stays in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError
from upslope.core.tree import ravel_parameters
from upslope.search.evolution.cma.box_transform import BoxTransform

# A number for all coordinates, or one for each; None for an open end.
Bound = ArrayLike | Sequence[float | None] | None
# (low, high), or as in SciPy a pair for each coordinate.
Bounds = tuple[Bound, Bound] | Sequence[Sequence[float | None]] | np.ndarray


def start_point(x0: PyTree, *, discrete: bool) -> PyTree:
    """x0 as arrays. Python numbers become real; arrays keep their kind.

    Args:
      x0: numbers, a list of them, an array, or a tree of arrays.
      discrete: whether the method searches bits and integers too.

    Raises:
      UpslopeError: nothing to search; an entry that is not finite; integers or bits for a method of
        real vectors.
    """
    if isinstance(x0, list | tuple) and all(isinstance(x, int | float) for x in x0):
        kind = None if discrete and all(isinstance(x, bool | int) for x in x0) else float
        x0 = np.asarray(x0, kind)
    elif isinstance(x0, int | float) and not isinstance(x0, bool):
        x0 = np.asarray(x0, float)
    try:
        start = jax.tree.map(jnp.asarray, x0)
    except (TypeError, ValueError):
        raise UpslopeError(
            f"x0={x0!r:.200} is not made of numbers: give one, an array, or a tree of arrays."
        ) from None
    leaves = jax.tree.leaves(start)
    if not leaves or all(leaf.size == 0 for leaf in leaves):
        raise UpslopeError(f"x0={x0!r} holds no number: there is nothing to search.")
    for leaf in leaves:
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            raise UpslopeError(
                f"x0 holds {leaf.dtype}: start at real numbers, two for each complex one."
            )
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            bad = np.flatnonzero(~np.isfinite(np.asarray(leaf)).ravel())
            if bad.size:
                raise UpslopeError(
                    f"x0 has {np.asarray(leaf).ravel()[bad[0]]} at entry {bad[0]}: start at finite "
                    "numbers."
                )
        elif not discrete:
            raise UpslopeError(
                f"x0 holds {leaf.dtype} and this method searches real vectors: start at floats, or "
                "take a method that searches bits and integers: method='genetic-algorithm', "
                "'hill-climbing', 'simulated-annealing' or 'random-search' with space=..."
            )
    if not discrete:  # numbers of one kind, the widest there is
        start = jax.tree.map(lambda leaf: leaf.astype(float), start)
    return start


def box(bounds: Bounds | None, start: PyTree) -> BoxTransform:
    """The transform that keeps a search between bounds.

    Args:
      bounds: None; a tuple (low, high) of numbers, or of lists or arrays with a number for each
        coordinate; or, as in SciPy, a sequence of pairs, one a coordinate (None for an open end).
      start: x0 as arrays.

    Raises:
      UpslopeError: another shape; bounds that are crossed or equal; a start outside of them.
    """
    if bounds is None:
        return BoxTransform()
    theta, _ = ravel_parameters(start)
    low, high = split_bounds(bounds, theta.size)
    for name, bound in (("lower", low), ("upper", high)):
        if bound.shape not in ((), (theta.size,)):
            raise UpslopeError(
                f"bounds give {bound.size} {name} bounds for {theta.size} coordinates: give one "
                "number for all, or one for each."
            )
        if np.isnan(bound).any():
            raise UpslopeError(f"bounds hold NaN among the {name} ones: use None for an open end.")
    transform = BoxTransform(jnp.asarray(low, theta.dtype), jnp.asarray(high, theta.dtype))
    transform.check(theta)
    return transform


def split_bounds(bounds: Bounds, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds from either form."""
    open_ends = (-np.inf, np.inf)
    try:
        pairs: list[Any] = [tuple(pair) for pair in bounds]  # pyright: ignore[reportArgumentType]
    except TypeError:  # (low, high), at least one of them a number or None
        pairs = []
    if len(pairs) == size and all(len(pair) == 2 for pair in pairs) and not _two_rows(bounds, size):
        low = [open_ends[0] if a is None else a for a, _ in pairs]
        high = [open_ends[1] if b is None else b for _, b in pairs]
        return np.asarray(low, float), np.asarray(high, float)
    try:
        low, high = bounds
    except (TypeError, ValueError):
        raise UpslopeError(
            f"bounds={bounds!r}: give (low, high), or one such pair for each of the {size} "
            "coordinates."
        ) from None
    low = open_ends[0] if low is None else low
    high = open_ends[1] if high is None else high
    return np.asarray(low, float), np.asarray(high, float)


def _two_rows(bounds: Bounds, size: int) -> bool:
    """Whether two vectors (low, high) are meant rather than a pair for each of two coordinates.

    Vectors are lists or arrays, pairs are tuples; a list of two lists is a list of pairs.
    """
    rows = isinstance(bounds, tuple) and all(isinstance(row, list) for row in bounds)
    return size == 2 and (rows or all(hasattr(row, "shape") for row in bounds))
