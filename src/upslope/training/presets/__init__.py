"""Tuned settings, by environment and method."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any, NamedTuple

import yaml


class Preset(NamedTuple):
    """Settings that are known to work, and the method they are for."""

    method: str
    settings: dict[str, Any]


@functools.cache
def table() -> dict[str, dict[str, Any]]:
    """All presets: environment, then `default`, `any` and the settings of each method."""
    text = resources.files(__name__).joinpath("presets.yaml").read_text()
    return yaml.safe_load(text)


def preset_for(environment: str, method: str | None) -> Preset | None:
    """The preset of an environment for a method; without a method, for the environment's best.

    The prefix of a name does not matter: `gymnasium:Pendulum-v1` has the settings of `Pendulum-v1`
    unless it has its own. What stands under `any` holds for every method in this environment.
    """
    rows = _rows(environment)
    if rows is None:
        return None
    method = str(method or rows["default"])
    if method not in rows and "any" not in rows:
        return None
    return Preset(method, {**rows.get("any", {}), **rows.get(method, {})})


def tuned_methods(environment: str) -> list[str]:
    """The methods that have settings of their own in the preset of an environment."""
    rows = _rows(environment) or {}
    return [name for name in rows if name not in ("default", "any")]


def _rows(environment: str) -> dict[str, Any] | None:
    """What is known of an environment, whatever library's prefix its name has."""
    return table().get(environment) or table().get(environment.split(":")[-1])
