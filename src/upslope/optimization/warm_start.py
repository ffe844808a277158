"""How a search begins that knows something: an earlier search, or points that are evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError
from upslope.core.tree import ravel_parameters
from upslope.optimization.coordinates import Coordinates
from upslope.optimization.scipy_words import OWNER
from upslope.search.evolution.cma.cma_es import CMAES, CMAESState
from upslope.search.evolution.cma.search_distribution import SearchDistribution, plain, promising
from upslope.search.search_method import SearchMethod

if TYPE_CHECKING:
    from upslope.optimization.result import Result

# Points x, and the values of f there.
Told: TypeAlias = tuple[Sequence[Any] | np.ndarray, ArrayLike]
ABLE = "'cma-es' and 'sep-cma-es'"


class Standing(NamedTuple):
    """Where a search by CMA-ES stood at its end: what another one can begin with.

    Attributes:
      distribution: mean and covariance, NumPy arrays in the coordinates that were searched.
      std: the step size.
      coordinates: the map from those to x.
    """

    distribution: SearchDistribution
    std: float
    coordinates: Coordinates


def standing_of(
    method: SearchMethod[Any, Any], state: object, coordinates: Coordinates
) -> Standing | None:
    """Where a search stands; None of a method that keeps no Gaussian of CMA-ES's kind."""
    if not isinstance(method, CMAES) or not isinstance(state, CMAESState):
        return None
    gaussian = plain(SearchDistribution(state.run.mean, state.run.shape))
    return Standing(gaussian, float(state.run.sigma), jax.tree.map(np.asarray, coordinates))


def start_of(
    x0: PyTree, warm_start: Result | None, told: Told | None, sign: float, *, bounded: bool
) -> PyTree:
    """x0, or where there is none the point that what is known begins at.

    Raises:
      UpslopeError: `warm_start` is no result, or both are given.
    """
    from upslope.optimization.result import Result

    if warm_start is not None and not isinstance(warm_start, Result):
        raise UpslopeError(
            f"{OWNER} got warm_start={warm_start!r:.80}: must be the Result of an earlier "
            "search. To begin at a point: x0=."
        )
    if warm_start is not None and told is not None:
        raise UpslopeError(
            f"{OWNER} got warm_start and told: an earlier search's Gaussian and one around "
            "evaluated points; the search can begin with one of them."
        )
    if x0 is not None:
        return x0
    if warm_start is not None:
        return warm_start.x
    if told is not None and not bounded:
        points, values = checked(told)
        return points[int(np.argmax(sign * np.where(np.isfinite(values), values, -sign * np.inf)))]
    return None


def warm_settings(
    method: str,
    known: Mapping[str, Any],
    coordinates: Coordinates,
    x: PyTree,
    warm_start: Result | None,
    told: Told | None,
    settings: Mapping[str, Any],
    sign: float,
) -> dict[str, Any]:
    """The settings with which the method begins there: `distribution`, and `std` unless it is set.

    Args:
      method: its name.
      known: its settings with their defaults.
      coordinates: from what is searched to x.
      x: the start.
      warm_start: the earlier search.
      told: evaluated points.
      settings: of the method, as given.
      sign: 1 where f is maximised.

    Raises:
      UpslopeError: a method that cannot begin so, or a search in other coordinates.
    """
    word = "warm_start" if told is None else "told"
    if "distribution" not in known:
        raise UpslopeError(
            f"{OWNER} got {word} with method={method!r}, which cannot begin with a step "
            f"size and a covariance: {ABLE} can. Begin at the point alone: x0=result.x."
        )
    # A method without the setting has no choice: it is the separable one.
    covariance = settings.get("covariance", known.get("covariance", "separable"))
    separable = covariance == "separable"
    if told is not None:
        points, values = searched_points(told, coordinates, x)
        std = settings.get("std", known["std"])
        found, step = promising(points, sign * values, float(std), separable=separable)
        return {"distribution": found, "std": step}
    assert warm_start is not None
    standing = warm_start.standing
    if standing is None:
        raise UpslopeError(
            f"{OWNER} got warm_start of a search by {warm_start.method}, which kept no "
            f"step size and covariance: {ABLE} do. Begin at its point: x0=result.x."
        )
    theta = np.asarray(ravel_parameters(coordinates.inverse(x))[0])
    before = standing.coordinates
    if theta.size != standing.distribution.mean.size or not same(before, coordinates):
        raise UpslopeError(
            f"{OWNER} got warm_start of a search in other coordinates: give the same bounds and "
            f"integrality and an x0 of as many numbers ({standing.distribution.mean.size})."
        )
    moved = not jax.tree.all(jax.tree.map(np.array_equal, x, warm_start.x))
    mean = theta if moved else standing.distribution.mean
    distribution = SearchDistribution(jnp.asarray(mean), standing.distribution.shape)
    std = standing.std
    if "std" in settings:  # of a coordinate, in the root mean square: C has a scale of its own
        std = float(settings["std"]) / float(jnp.sqrt(jnp.mean(distribution.shape.stds**2)))
    return {"distribution": distribution, "std": std}


def same(before: Coordinates, now: Coordinates) -> bool:
    """Whether two searches have the same coordinates; fixed ones may stand elsewhere."""
    parts = [(c.box, c.integers, c.free) for c in (before, now)]
    return bool(eqx.tree_equal(*jax.tree.map(np.asarray, parts)))


def checked(told: Told) -> tuple[list[Any], np.ndarray]:
    """Points and values of `told`.

    Raises:
      UpslopeError: they are no pair of equal length, or no value is finite.
    """
    try:
        points, values = told
        points, values = list(points), np.asarray(values, float)
    except (TypeError, ValueError):
        raise UpslopeError(
            f"{OWNER} got told={told!r:.80}: must be (points, values), K points x and the K "
            "values of f there."
        ) from None
    if values.shape != (len(points),) or not len(points):
        raise UpslopeError(
            f"{OWNER} got told with {len(points)} points and values of shape {values.shape}: "
            "there must be one value for each point, and at least one."
        )
    if not np.isfinite(values).any():
        raise UpslopeError(f"{OWNER} got told whose values are all NaN or infinite.")
    return points, values


def searched_points(
    told: Told, coordinates: Coordinates, x: PyTree
) -> tuple[np.ndarray, np.ndarray]:
    """The points [K, D] of finite value in the coordinates that are searched, and the values [K].

    Raises:
      UpslopeError: a point of another structure than x, or outside of the bounds.
    """
    points, values = checked(told)
    try:
        rows = [np.asarray(flat(point, coordinates, x)) for point in points]
    except (TypeError, ValueError) as error:
        raise UpslopeError(
            f"{OWNER} got told whose points are not like x0, such as {points[0]!r:.80} ({error})."
        ) from None
    table = np.stack(rows)
    outside = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if outside.size:
        raise UpslopeError(
            f"{OWNER} got told whose point {outside[0]} is not finite or not within the bounds."
        )
    known = np.isfinite(values)
    return table[known], values[known]


def flat(point: PyTree, coordinates: Coordinates, x: PyTree) -> Any:
    """One point as the vector [D] that is searched; NaN where it is not within the bounds."""
    shaped = jax.tree.map(lambda like, leaf: np.asarray(leaf, float).reshape(like.shape), x, point)
    theta = ravel_parameters(shaped)[0]
    if coordinates.whole is not None:
        theta = theta[np.asarray(coordinates.free)]
    try:
        coordinates.box.check(theta)
    except UpslopeError:
        return np.full(theta.shape, np.nan)
    return ravel_parameters(coordinates.inverse(shaped))[0]


def best_told(told: Told, sign: float) -> tuple[float, Any]:
    """The best of the values, to be maximised, and its point."""
    points, values = checked(told)
    ranked = np.where(np.isfinite(values), sign * values, -np.inf)
    top = int(np.argmax(ranked))
    return float(ranked[top]), points[top]
