"""What a model-based search is made of, by name: the model, and what plans in it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from upslope.core.checks import UpslopeError, check_settings, unknown_name

if TYPE_CHECKING:
    from gymnasium import spaces

    from upslope.models.model import Model
    from upslope.search.model_based.way_of_planning import AnyWay
    from upslope.search.search_method import ProblemSpec

# Fields of planners that the search fills in itself.
GIVEN = ("environment", "objective", "terminal_value")
Frozen = tuple[tuple[str, Any], ...]


def find_model(name: str) -> Callable[..., Any]:
    """The class of a model.

    Raises:
      UpslopeError: an unknown name; the nearest one is offered.
    """
    from upslope.models import MODELS

    return MODELS.get(name)


def find_planner(name: str) -> Callable[..., Any]:
    """The class of what plans: a planner, value iteration in a table, or a search method.

    Raises:
      UpslopeError: an unknown name; the nearest one is offered.
    """
    from upslope.planning import PLANNERS
    from upslope.search import METHODS
    from upslope.search.model_based.tabular import GreedyInTable

    if name == GreedyInTable.name:
        return GreedyInTable
    for registry in (PLANNERS, METHODS):
        if name in registry:
            return registry.get(name)
    known = [GreedyInTable.name, *PLANNERS.names(), *METHODS.names()]
    raise unknown_name("planner", name, known)


def default_model(observation_space: spaces.Space, action_space: spaces.Space) -> str:
    """The name of the model that fits two spaces."""
    from gymnasium.spaces import Discrete

    finite = isinstance(observation_space, Discrete) and isinstance(action_space, Discrete)
    return "tabular" if finite else "ensemble"


def model_for(name: str | None, settings: Frozen, spec: ProblemSpec) -> Model:
    """The model of a name, configured for a problem and truncated where it is.

    Raises:
      UpslopeError: an unknown name or setting, or spaces that it cannot model.
    """
    assert spec.observation_space is not None
    assert spec.action_space is not None
    name = name or default_model(spec.observation_space, spec.action_space)
    target = find_model(name)
    given = checked(f"The model {name!r}", target, settings, hide=())
    limit = None if spec.environment is None else spec.environment.time_limit
    given.setdefault("time_limit", limit)
    return target(**given).configure(spec.observation_space, spec.action_space)


def way_for(name: str | None, settings: Frozen, model: Model, spec: ProblemSpec, n: int) -> AnyWay:
    """What plans in a model, by its name.

    Args:
      n: iterations of a search method after each fit.

    Raises:
      UpslopeError: an unknown name or setting, or what cannot plan in this model.
    """
    from upslope.planning import PLANNERS
    from upslope.search.model_based.background import PolicySearchInModel
    from upslope.search.model_based.decision_time import DecisionTimePlanning
    from upslope.search.model_based.tabular import GreedyInTable
    from upslope.search.score import check_score

    if name is None:
        name = default_planner(model)
    target = find_planner(name)
    given = checked(f"The planner {name!r}", target, settings, hide=GIVEN)
    if target is GreedyInTable:
        return GreedyInTable(**given).configure(model, spec)
    if name in PLANNERS:
        return DecisionTimePlanning(target(model.for_planning(), objective=spec.objective, **given))
    method = target(**given)
    if method.parts:
        raise UpslopeError(
            f"ModelBased got planner={name!r}, which fits a model itself: name a planner (cem, "
            "mppi, value-iteration) or a search method such as ppo or cma-es."
        )
    check_score(name, method, spec.policy, None)
    return PolicySearchInModel(method.configure(spec._replace(environment=model)), n)


def default_planner(model: Model) -> str:
    """The name of what plans in a model where nobody says."""
    from gymnasium.spaces import Discrete

    from upslope.models.tabular import TabularModel
    from upslope.search.model_based.tabular import GreedyInTable

    if isinstance(model, TabularModel):
        return GreedyInTable.name
    return "cem" if isinstance(model.action_space, Discrete) else "icem"


def checked(
    owner: str, target: Callable[..., Any], settings: Frozen, hide: tuple[str, ...]
) -> dict[str, Any]:
    """Settings by name, all of which the target has.

    Raises:
      UpslopeError: names the unknown one and the nearest that is known.
    """
    if dataclasses.is_dataclass(target):
        names = [field.name for field in dataclasses.fields(target) if field.init]
    else:
        names = list(inspect.signature(target).parameters)
    given = dict(settings)
    check_settings(owner, given, [name for name in names if name not in hide])
    return given


def frozen(settings: Mapping[str, Any] | Frozen) -> Frozen:
    """Settings as pairs, which compare and hash by value.

    Raises:
      UpslopeError: it is no table of settings by name.
    """
    if isinstance(settings, tuple):
        return settings
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise UpslopeError(
            f"ModelBased got settings={settings!r:.80}: they must be a table of settings by name, "
            "such as planner_settings={'horizon': 15}."
        )
    return tuple((name, _hashable(value)) for name, value in sorted(settings.items()))


def _hashable(value: object) -> object:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value
