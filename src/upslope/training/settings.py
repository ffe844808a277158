"""The settings of a callable: names, defaults, and which of them the user may set."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Container, Mapping
from typing import Any

import equinox as eqx

from upslope.search.search_method import Defaults
from upslope.search.wrappers.wrapped import wrapper_settings


def settings_of(target: Callable[..., Any]) -> dict[str, Any]:
    """Names and defaults of the settings of a module class or of a factory function.

    Args:
      target: an Equinox module class (its fields) or a function (its parameters).
    """
    if inspect.isclass(target) and issubclass(target, eqx.Module):
        return {field.name: default_of(field) for field in dataclasses.fields(target) if field.init}
    parameters = inspect.signature(target).parameters
    return {
        name: None if p.default is inspect.Parameter.empty else p.default
        for name, p in parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }


def default_of(field: dataclasses.Field[Any]) -> Any:
    """A field's default value, None where it has none."""
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None


def choose(settings: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    """The settings whose names are among `names`."""
    return {name: value for name, value in settings.items() if name in names}


def method_settings(target: Callable[..., Any]) -> dict[str, Any]:
    """Names and defaults of the settings of a method, those of the wrappers it can have included.

    Args:
      target: a method class, or a function that makes a method.
    """
    return {**settings_of(target), **wrapper_settings(target)}


def defaults_of(target: Callable[..., Any]) -> Defaults:
    """What a run of a method uses where the user says nothing.

    Args:
      target: a method class, or a function that makes a method.
    """
    return target.defaults if isinstance(target, type) else target().defaults
