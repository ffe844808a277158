"""Where a search over a function starts, and the box it stays in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError
from upslope.core.tree import ravel_parameters
from upslope.optimization.coordinates import Coordinates
from upslope.search.evolution.cma.box_transform import BoxTransform
from upslope.search.evolution.cma.margin import IntegerLattice

# A number for all coordinates, or one for each; None for an open end.
Bound = ArrayLike | Sequence[float | None] | None


class BoundsObject(Protocol):
    """A `scipy.optimize.Bounds`: told by its attributes, so that SciPy need not be there."""

    @property
    def lb(self) -> ArrayLike:
        """Lower bounds."""
        ...

    @property
    def ub(self) -> ArrayLike:
        """Upper bounds."""
        ...


# (low, high), or as in SciPy a pair for each coordinate or an object that has all of them.
PlainBounds = tuple[Bound, Bound] | Sequence[Sequence[float | None]] | np.ndarray
Bounds = PlainBounds | BoundsObject


def plain(bounds: Bounds) -> PlainBounds:
    """Bounds without SciPy's object around them: its two arrays."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        limits = cast(BoundsObject, bounds)
        return np.asarray(limits.lb, float), np.asarray(limits.ub, float)
    return cast(PlainBounds, bounds)


def start_point(x0: PyTree, *, discrete: bool, integrality: bool = False) -> PyTree:
    """x0 as arrays. Python numbers become real; arrays keep their kind.

    Args:
      x0: numbers, a list of them, an array, or a tree of arrays.
      discrete: whether the method searches bits and integers too.
      integrality: whether some coordinates are said to be whole numbers: searched as reals.

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
        elif not discrete and not (integrality and leaf.dtype.kind in "iu"):
            raise UpslopeError(
                f"x0 holds {leaf.dtype} and this method searches real vectors: start at floats, "
                "say integrality=True for whole numbers ('cma-es', 'sep-cma-es'), or take a method "
                "that searches bits and integers: method='genetic-algorithm', 'hill-climbing', "
                "'simulated-annealing' or 'random-search' with space=..."
            )
    if not discrete:  # numbers of one kind, the widest there is
        start = jax.tree.map(lambda leaf: leaf.astype(float), start)
    return start


def searched_coordinates(
    bounds: Bounds | None, x0: PyTree, integrality: ArrayLike | None = None
) -> Coordinates:
    """The map from what is searched to points within bounds; equal bounds fix a coordinate.

    Args:
      bounds: None; a tuple (low, high) of numbers, or of lists or arrays with a number for each
        coordinate; as in SciPy a sequence of pairs, one a coordinate (None for an open end), or a
        `scipy.optimize.Bounds`.
      x0: the start as arrays.
      integrality: which coordinates are whole numbers, booleans or 0 and 1, one for all or one for
        each.

    Raises:
      UpslopeError: another shape; bounds that are crossed, that no whole number is between, or
        that fix every coordinate; a start outside of them.
    """
    whole = None if integrality is None else whole_coordinates(integrality, x0)
    if whole is not None and not whole.any():
        whole = None
    if bounds is None and whole is None:
        return Coordinates(BoxTransform())
    theta, _ = ravel_parameters(x0)
    bounds = (None, None) if bounds is None else bounds
    low, high = split_bounds(bounds, theta.size)
    both_single = low.size == high.size == 1  # SciPy's Bounds makes arrays of single numbers
    for name, bound in (("lower", low), ("upper", high)):
        if bound.shape not in ((), (theta.size,)) and not both_single:
            raise UpslopeError(
                f"bounds give {bound.size} {name} bounds for {theta.size} coordinates: give one "
                "number for all, or one for each."
            )
        if np.isnan(bound).any():
            raise UpslopeError(f"bounds hold NaN among the {name} ones: use None for an open end.")
    low, high = np.broadcast_to(low, theta.shape), np.broadcast_to(high, theta.shape)
    if (low > high).any():
        i = int(np.flatnonzero(low > high)[0])
        raise UpslopeError(
            f"bounds of coordinate {i} are crossed: the lower one, {low[i]}, must not be above the "
            f"upper one, {high[i]}."
        )
    outside = np.flatnonzero(~((np.asarray(theta) >= low) & (np.asarray(theta) <= high)))
    if outside.size:
        i = int(outside[0])
        raise UpslopeError(
            f"x0 has {float(theta[i])!r} at entry {i}, which is outside of its bounds "
            f"[{float(low[i])!r}, {float(high[i])!r}]: start inside, or widen the bounds."
        )
    box_low, box_high = low, high
    if whole is not None:
        low = np.where(whole, np.ceil(low), low)
        high = np.where(whole, np.floor(high), high)
        if (low > high).any():
            i = int(np.flatnonzero(low > high)[0])
            raise UpslopeError(
                f"bounds of coordinate {i} are [{box_low[i]}, {box_high[i]}], and no whole number "
                "is between them: widen them, or leave it out of integrality."
            )
        box_low, box_high = np.where(whole, -np.inf, low), np.where(whole, np.inf, high)
    free = tuple(np.flatnonzero(low < high).tolist())
    if not free:
        raise UpslopeError(
            f"bounds={bounds!r:.200} fix every coordinate (each lower bound equals its upper one): "
            "there is nothing to search."
        )
    index = np.asarray(free)
    array = lambda numbers: jnp.asarray(numbers[index], theta.dtype)  # noqa: E731
    box = BoxTransform(array(box_low), array(box_high))
    if np.isinf(box_low[index]).all() and np.isinf(box_high[index]).all():
        box = BoxTransform()
    lattice = None
    if whole is not None and whole[index].any():
        lattice = IntegerLattice(jnp.asarray(whole[index]), array(low), array(high))
    if len(free) == theta.size:
        return Coordinates(box, lattice)
    x0 = ravel_parameters(x0)[1](jnp.where(low == high, jnp.asarray(low, theta.dtype), theta))
    return Coordinates(box, lattice, x0, free)


def whole_coordinates(integrality: ArrayLike, x0: PyTree) -> np.ndarray:
    """Which coordinates are whole numbers, booleans [D].

    Raises:
      UpslopeError: another number of them, or anything but booleans, 0 and 1.
    """
    size = ravel_parameters(x0)[0].size
    given = np.asarray(integrality)
    if given.dtype.kind not in "biuf" or not np.isin(given, (0, 1)).all():
        raise UpslopeError(
            f"integrality={integrality!r:.200}: say of each coordinate whether it is a whole "
            "number, by True and False or 1 and 0."
        )
    if given.size not in (1, size):
        raise UpslopeError(
            f"integrality has {given.size} entries for {size} coordinates: give one for each, or "
            "one for all."
        )
    return np.broadcast_to(given.ravel().astype(bool), (size,))


def middle_of(bounds: Bounds | None) -> tuple[np.ndarray, float]:
    """Where a search without x0 starts: the middle of its bounds [D], and a quarter of the
    smallest distance between two of them, a first step size that stays inside.

    Raises:
      UpslopeError: no bounds, or one that is missing or infinite.
    """
    if bounds is None:
        raise UpslopeError(
            "x0 is missing: give a point to start at, or bounds=[(low, high), ...] to start in "
            "their middle."
        )
    low, high = split_bounds(bounds, _size_of(bounds))
    low, high = np.broadcast_arrays(np.atleast_1d(low), np.atleast_1d(high))
    open_ends = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if open_ends.size:
        i = int(open_ends[0])
        raise UpslopeError(
            f"x0 is missing, and the bounds of coordinate {i} are [{low[i]}, {high[i]}], which "
            "has no middle: give x0, or finite bounds."
        )
    widths = (high - low)[high > low]
    return 0.5 * low + 0.5 * high, 0.25 * float(widths.min(initial=np.inf))


def _size_of(bounds: Bounds) -> int:
    """How many coordinates bounds in any of their forms are for."""
    bounds = plain(bounds)
    rows: list[Any] = list(bounds) if isinstance(bounds, Iterable) else [bounds]
    pairs = all(np.ndim(row) == 1 and np.size(row) == 2 for row in rows)
    if pairs and not (len(rows) == 2 and _two_rows(bounds, 2)):
        return len(rows)
    return max((np.size(row) for row in rows), default=0)


def split_bounds(bounds: Bounds, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds from any form, each one number or [D]."""
    open_ends = (-np.inf, np.inf)
    bounds = plain(bounds)
    try:
        pairs: list[Any] = [tuple(pair) for pair in bounds]  # pyright: ignore
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


def _two_rows(bounds: PlainBounds, size: int) -> bool:
    """Whether two vectors (low, high) are meant rather than a pair for each of two coordinates.

    Vectors are lists or arrays, pairs are tuples; a list of two lists is a list of pairs.
    """
    rows = isinstance(bounds, tuple) and all(isinstance(row, list) for row in bounds)
    return size == 2 and (rows or all(hasattr(row, "shape") for row in bounds))
