"""Where methods get their wrappers: one place, around any method that tries populations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.sampling.experience import EpisodeReturns
from upslope.search.search_method import SearchMethod

if TYPE_CHECKING:
    from upslope.search.evolution.cma.cma_es import CMAES


def wrapped(
    method: SearchMethod,
    racing: int = 1,
    uncertainty_handling: bool = False,
    max_evaluations: float | Array = 32.0,
) -> SearchMethod:
    """A method with the treatment of noise that was asked for; the method does not know of it.

    Args:
      method: what is wrapped.
      racing: rounds of a race in which the better half of the candidates is evaluated again, see
        `SuccessiveHalving`; 1 for none.
      uncertainty_handling: evaluate some candidates twice and all of them more often where their
        ranks do not stand, see `UncertaintyHandlingCMAES`.
      max_evaluations: bound on the evaluations of a candidate with `uncertainty_handling`, in units
        of `episodes_per_candidate`.

    Raises:
      UpslopeError: a wrapper that does not go with the method or with the other one.
    """
    owner = type(method).__name__
    check_number(owner, "racing", racing, at_least=1, integer=True)
    check_number(owner, "max_evaluations", max_evaluations, at_least=1)
    # Imported where they are asked for: a run without them does not wait for them.
    if uncertainty_handling:
        from upslope.search.wrappers.uncertainty_handling import UncertaintyHandlingCMAES

        if not is_cma_es(method):
            raise UpslopeError(
                f"{owner} has no uncertainty_handling, which widens the Gaussian of CMA-ES: use "
                "cma-es or sep-cma-es, or racing=2."
            )
        if racing != 1:
            raise UpslopeError(
                f"{owner} has uncertainty_handling with racing={racing!r}: a race evaluates its "
                "candidates unequally. Set racing=1."
            )
        again = max(2, round(2 + method.population_size / 20))
        return UncertaintyHandlingCMAES(method, min(again, method.population_size), max_evaluations)
    if racing == 1:
        return method
    from upslope.search.wrappers.successive_halving import SuccessiveHalving

    return SuccessiveHalving(method, racing)


def is_cma_es(method: SearchMethod) -> TypeGuard[CMAES]:
    """Whether a method adapts the covariance matrix of a Gaussian."""
    from upslope.search.evolution.cma.cma_es import CMAES

    return isinstance(method, CMAES)


def wrapper_settings(target: Callable[..., Any]) -> dict[str, Any]:
    """Names and defaults of the wrappers' settings that a registered method has.

    Args:
      target: a method class, or a function that makes a method.
    """
    try:
        method = target()
        if not isinstance(method.experience, EpisodeReturns):
            return {}
    except (UpslopeError, TypeError):  # it cannot be made without settings
        return {}
    settings: dict[str, Any] = {"racing": 1}
    if is_cma_es(method):
        settings |= {"uncertainty_handling": False, "max_evaluations": 32.0}
    return settings
