"""A search over a function, spelled out: method, start, box and sign."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, check_number, check_settings
from upslope.core.tree import ravel_parameters
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.optimization.points import box, start_point
from upslope.sampling.collections import EpisodeReturns
from upslope.sampling.records import Returns
from upslope.search import METHODS
from upslope.search.box_transform import BoxTransform
from upslope.search.search_method import SearchMethod
from upslope.training.settings import settings_of


class FunctionProblem(NamedTuple):
    """What both loops and `AskTell` need to know."""

    name: str
    method: SearchMethod
    start: Any  # in the coordinates that are searched
    transform: BoxTransform  # from those to x; the identity without bounds
    objective: Objective
    dimension: int

    @property
    def numbers(self) -> tuple[SearchMethod, Any, BoxTransform, Objective]:
        """What of it a compiled program takes as its arguments."""
        return self.method, self.start, self.transform, self.objective

    def points(self, candidates: Any) -> Any:
        """Candidates, leaves [P, ...], as points x."""
        if not self.transform.active:
            return candidates

        def one(candidate: Any) -> Any:
            theta, unravel = ravel_parameters(candidate)
            return unravel(self.transform(theta))

        return jax.vmap(one)(candidates)

    def solution(self, state: Any) -> Any:
        """What the method would keep, as a point x."""
        one = jax.tree.map(lambda leaf: leaf[None], self.method.solution(state))
        return jax.tree.map(lambda leaf: leaf[0], self.points(one))

    def told(self, key: Array, state: Any, candidates: Any, values: Array) -> Any:
        """The method's next state after values [P, E] that are to be maximised."""
        experience = Returns(values, jnp.ones(values.shape, int))
        return self.method.tell(key, state, candidates, experience, self.objective)[0]


def function_problem(
    x0: Any, method: str, std: Any, bounds: Any, settings: dict[str, Any]
) -> FunctionProblem:
    """Checks everything that can be checked before the first evaluation.

    Raises:
      UpslopeError: unknown method or setting; one that needs an environment; a start, bounds or a
        std that make no sense.
    """
    target = METHODS.get(method)
    known = settings_of(target)
    settings = dict(settings)
    if std is not None:
        if "std" not in known:
            raise UpslopeError(f"{method} has no std. Its settings: {', '.join(sorted(known))}.")
        settings["std"] = std
    check_settings(method, settings, known)
    start = start_point(x0, discrete="space" in known)
    transform = box(bounds, start)
    theta, unravel = ravel_parameters(start)
    if "population_size" in known and "population_size" not in settings:
        settings["population_size"] = default_population(method, known, theta.size)
    if transform.active:
        start = unravel(transform.inverse(theta))
    built = target(**settings)
    collection = built.collection
    if not isinstance(collection, EpisodeReturns):
        raise UpslopeError(
            f"{method} needs {type(collection).__name__.lower()} of an environment: a function "
            f"gives values alone. Methods that search functions: {', '.join(function_methods())}."
        )
    built = built.for_policy(start)
    return FunctionProblem(method, built, start, transform, EpisodicReturn(), theta.size)


def default_population(method: str, known: dict[str, Any], dimension: int) -> int:
    """The published 4 + 3 ln D for CMA-ES and natural evolution, else the method's default."""
    if method in ("cma-es", "sep-cma-es", "xnes", "snes"):
        return 4 + int(3 * np.log(max(dimension, 1)))
    return known["population_size"]


def function_methods() -> list[str]:
    """Names of the methods that need values alone."""
    names = []
    for entry in METHODS:
        try:
            if isinstance(entry.load()().collection, EpisodeReturns):
                names.append(entry.name)
        except (UpslopeError, TypeError):
            continue
    return names


def check_budget(budget: int | None, dimension: int) -> int:
    """Evaluations allowed: 1000 for each coordinate, at least 10,000, unless told otherwise."""
    if budget is None:
        return max(1000 * dimension, 10_000)
    check_number("A search over a function", "budget", budget, at_least=1, integer=True)
    return int(budget)
