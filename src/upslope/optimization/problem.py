"""A search over a function, spelled out: method, start, box and sign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError, check_settings, unknown_name
from upslope.core.records import Returns
from upslope.core.tree import ravel_parameters
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.optimization.coordinates import Coordinates
from upslope.optimization.points import Bounds, middle_of, searched_coordinates, start_point
from upslope.optimization.scipy_words import Options, method_name, refuse_foreign, with_tolerance
from upslope.optimization.warm_start import Told, start_of, warm_settings
from upslope.sampling.experience import EpisodeReturns
from upslope.search import METHODS
from upslope.search.evolution.cma.box_transform import BoxTransform
from upslope.search.search_method import ProblemSpec, SearchMethod
from upslope.search.spaces.product import space_of
from upslope.search.wrappers.wrapped import wrapped, wrapper_settings
from upslope.training.settings import settings_of

if TYPE_CHECKING:
    from upslope.optimization.result import Result

State = TypeVar("State")
Points = TypeVar("Points")
# What of a problem a compiled program takes as its arguments.
Numbers = tuple[SearchMethod[Any, Returns], PyTree, Coordinates, Objective]


class FunctionProblem(NamedTuple):
    """What both loops and `AskTell` need to know."""

    name: str
    method: SearchMethod[Any, Returns]
    start: PyTree  # in the coordinates that are searched
    coordinates: Coordinates  # from those to x
    objective: Objective
    dimension: int

    @property
    def numbers(self) -> Numbers:
        """What of it a compiled program takes as its arguments."""
        return self.method, self.start, self.coordinates, self.objective

    @classmethod
    def of_numbers(cls, numbers: Numbers, dimension: int) -> FunctionProblem:
        """The problem inside a compiled program, where its name does not matter."""
        method, start, coordinates, objective = numbers
        return cls(
            name="",
            method=method,
            start=start,
            coordinates=coordinates,
            objective=objective,
            dimension=dimension,
        )

    @property
    def spec(self) -> EpisodeReturns:
        """How many values the method wants of how many points."""
        spec = self.method.experience
        assert isinstance(spec, EpisodeReturns)  # others are refused by `function_problem`
        return spec

    def population(self, size: int) -> PyTree:
        """Points of the shape that f gets, [P, ...]: the start P times."""
        x = self.start if self.coordinates.whole is None else self.coordinates.whole
        return jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * size), x)

    def points(self, candidates: Points) -> Points:
        """Candidates, leaves [P, ...], as points x."""
        return self.coordinates.points(candidates)

    def solution(self, state: PyTree) -> PyTree:
        """What the method would keep, as a point x."""
        one = jax.tree.map(lambda leaf: leaf[None], self.method.solution(state))
        return jax.tree.map(lambda leaf: leaf[0], self.points(one))

    def told(
        self, key: Array, state: State, candidates: PyTree, values: Float[Array, "P E"]
    ) -> State:
        """The method's next state after values [P, E] that are to be maximised."""
        experience = Returns(values, jnp.ones(values.shape, int))
        return self.method.tell(key, state, candidates, experience, self.objective)[0]


def function_problem(
    x0: PyTree,
    method: str | None,
    std: float | None,
    bounds: Bounds | None,
    settings: Mapping[str, Any],
    tol: float | None = None,
    integrality: ArrayLike | None = None,
    warm_start: Result | None = None,
    told: Told | None = None,
    sign: float = 1.0,
) -> FunctionProblem:
    """Checks everything that can be checked before the first evaluation.

    Args:
      x0: the start; None for the middle of the bounds.
      method: its name, without regard to case; None for the default.
      std: the first step size; None for the method's own, or one that suits the bounds where there
        is no x0.
      bounds: in any form of `Bounds`.
      settings: the method's own.
      tol: for every tolerance that the method has and `settings` do not mention.
      integrality: which coordinates are whole numbers, as for `searched_coordinates`.
      warm_start: what an earlier search ended with, to begin there.
      told: evaluated points, to begin around the best of them.
      sign: 1 where values are maximised, -1 where they are minimised.

    Raises:
      UpslopeError: unknown method or setting; one that needs an environment; a start, bounds or a
        std that make no sense.
    """
    method = method_name(method)
    if method not in METHODS and method.lower() not in METHODS.expected:
        raise unknown_name("method of values alone", method, function_methods())
    target = METHODS.get(method)
    own, wrappers = settings_of(target), wrapper_settings(target)
    known = {**own, **wrappers}
    settings = dict(settings)
    refuse_foreign(method, settings, known)
    if std is not None:
        if "std" not in known:
            raise UpslopeError(f"{method} has no std. Its settings: {', '.join(sorted(known))}.")
        settings["std"] = std
    check_settings(method, settings, known)
    settings = with_tolerance(method, settings, known, tol)
    x0 = start_of(x0, warm_start, told, sign, bounded=bounds is not None)
    if x0 is None:
        x0, width = middle_of(bounds)
        if "std" in known and np.isfinite(width):
            settings.setdefault("std", width)
    if integrality is not None and "integers" not in known:
        able = "'cma-es' and 'sep-cma-es' can"
        if "space" in known:
            able += f"; {method} searches whole numbers alone, with space=Integers(low, high)"
        raise UpslopeError(f"{method} cannot search with integrality=...: {able}.")
    x = start_point(x0, discrete="space" in known, integrality=integrality is not None)
    real = all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(x))
    if bounds is not None and not real:
        raise UpslopeError(
            f"bounds={bounds!r} are for real numbers, and x0 holds others: bounds of whole numbers "
            "belong into the space, space=Integers(low, high)."
        )
    coordinates = searched_coordinates(bounds, x, integrality)
    if coordinates.integers is not None:
        settings["integers"] = coordinates.integers
    if warm_start is not None or told is not None:
        settings |= warm_settings(method, known, coordinates, x, warm_start, told, settings, sign)
    dimension = coordinates.size(x)
    if "population_size" in known and "population_size" not in settings:
        published = target().population_for(dimension)
        if published is not None:
            settings["population_size"] = published
    if "episodes_per_candidate" in known and "episodes_per_candidate" not in settings:
        settings["episodes_per_candidate"] = 1  # episodes differ, values of a function do not
    start = coordinates.inverse(x)
    around = {name: settings.pop(name) for name in set(wrappers) - set(own) if name in settings}
    built = target(**settings)
    spec = built.experience
    if not isinstance(spec, EpisodeReturns):
        raise UpslopeError(
            f"{method} needs {type(spec).__name__.lower()} of an environment: a function "
            f"gives values alone. Methods that search functions: {', '.join(function_methods())}."
        )
    objective = EpisodicReturn()
    shapes = jax.eval_shape(lambda: start)
    plain = built.configure(
        ProblemSpec(
            observation=None,
            observation_space=None,
            action_space=None,
            policy=shapes,
            objective=objective,
            environment=None,
        )
    )
    check_start(plain, start)
    return FunctionProblem(
        name=method,
        method=wrapped(plain, **around),
        start=start,
        coordinates=coordinates,
        objective=objective,
        dimension=dimension,
    )


def check_start(method: SearchMethod[State, Returns], start: PyTree) -> None:
    """What a compiled `init` cannot see: whether the start's own numbers lie in what is searched.

    Raises:
      UpslopeError: a start outside of the method's space or bounds.
    """
    if hasattr(method, "space"):
        space_of(type(method).__name__, getattr(method, "space"), start)  # noqa: B009
    limits = getattr(method, "box", None)
    if isinstance(limits, BoxTransform) and limits.active:
        limits.check(ravel_parameters(start)[0])


def function_methods() -> list[str]:
    """Names of the methods that need values alone."""
    names = []
    for entry in METHODS:
        try:
            if isinstance(entry.load()().experience, EpisodeReturns):
                names.append(entry.name)
        except (UpslopeError, TypeError):
            continue
    return names


def check_budget(options: Options, problem: FunctionProblem, cost: int) -> int:
    """Evaluations allowed: 1000 for each coordinate, at least 10,000, unless told otherwise.

    Args:
      options: what was told.
      problem: what is searched.
      cost: evaluations of one ask and tell.
    """
    budget, iterations = options.budget, options.iterations
    if budget is not None:
        return budget
    if iterations is not None:
        each = problem.method.asks_per_iteration(problem.dimension)
        return iterations * cost * each + problem.dimension + 1
    return max(1000 * problem.dimension, 10_000)


def check_population_fits(method: str, budget: int, spec: EpisodeReturns) -> None:
    """Raises unless the budget pays for one population."""
    size, episodes = spec.population_size, spec.episodes_per_candidate
    if budget < size * episodes:
        each = f", {episodes} times each" if episodes > 1 else ""
        raise UpslopeError(
            f"budget={budget} is less than one iteration of {method}, which evaluates {size} "
            f"points{each}: give at least {size * episodes}, or another population_size."
        )
