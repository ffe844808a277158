"""Environments that are given to a run, where a name in a file does not give them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upslope.environments import make
from upslope.environments.adaptors.gymnasium import GIVEN, GymnasiumSpec, is_plain
from upslope.environments.environment import Environment
from upslope.environments.user_code import names_code
from upslope.training.build import name_of

if TYPE_CHECKING:
    from upslope.environments.factory import EnvironmentLike


def must_be_built(environment: EnvironmentLike) -> bool:
    """Whether an environment is built where it is given: no name in a file gives it again."""
    return not isinstance(environment, str) or names_code(environment)


def named(
    environment: EnvironmentLike, given: Environment | GymnasiumSpec, settings: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """What a run folder calls an environment that was built, with the settings to build it again.

    Args:
      environment: as the user gave it; a name is kept.
      given: what was built of it.
      settings: what it was built with.
    """
    if isinstance(environment, str):
        return environment, settings
    name, usual = name_of(given)
    if isinstance(environment, type) and needs_giving(name) and is_plain(settings):
        return name, settings
    return name, usual


def needs_giving(name: str) -> bool:
    """Whether what a run folder names so has to be given again."""
    return names_code(name) or name.startswith(f"{GIVEN}:")


def again(environment: EnvironmentLike, settings: dict[str, Any]) -> Environment | GymnasiumSpec:
    """The environment of a run, given again: names and classes with the settings of the run."""
    fresh = isinstance(environment, str | type)
    return make(environment, **settings) if fresh else make(environment)


def is_of_run(environment: EnvironmentLike, name: str) -> bool:
    """Whether a name or a class is the run's own environment, given again because it has to be.

    Args:
      environment: as the user gives it now.
      name: what the run folder calls its own.
    """
    if not needs_giving(name):
        return False
    if isinstance(environment, type):
        return name == f"{GIVEN}:{getattr(environment, 'name', environment.__name__)}"
    return isinstance(environment, str) and environment == name
