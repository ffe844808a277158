"""How another process builds the same simulator: as plain data, without pickle."""

from __future__ import annotations

import functools
import importlib.machinery
import json
import sys
from typing import Any


def serialize_factory(environment: Any) -> dict[str, Any] | None:
    """What a simulator process needs to build what `environment.build()` builds; None: it cannot.

    A registered id travels with its specification, because ids that this program registered are
    unknown elsewhere. A function or a class of a module travels by its name.
    """
    factory = getattr(environment, "factory", None)
    kwargs = dict(getattr(environment, "kwargs", {}))
    if factory is None:
        recipe = _registered(str(getattr(environment, "id", "")), kwargs)
    elif isinstance(factory, functools.partial):
        recipe = _partial(factory)
    else:
        recipe = _named(factory, kwargs)
    if recipe is not None and getattr(environment, "action_mask", False):
        recipe["action_mask"] = True
    return recipe if recipe is not None and _plain(recipe) else None


def _registered(id: str, kwargs: dict[str, Any]) -> dict[str, Any] | None:
    import gymnasium

    try:
        return {"id": id, "spec": gymnasium.spec(id).to_json(), "kwargs": kwargs}
    except (gymnasium.error.Error, TypeError, ValueError):
        return None


def _partial(factory: functools.partial) -> dict[str, Any] | None:
    """A bound specification, or a named function with plain keyword arguments."""
    from gymnasium.envs.registration import EnvSpec

    if len(factory.args) == 1 and isinstance(factory.args[0], EnvSpec) and not factory.keywords:
        try:
            return {"spec": factory.args[0].to_json()}
        except (TypeError, ValueError):
            return None
    return None if factory.args else _named(factory.func, dict(factory.keywords))


def _named(function: Any, kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """A callable that a module has under its own name."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    found = sys.modules.get(module or "")
    for part in (name or "").split("."):
        found = getattr(found, part, None)
    if found is None or found is not function:
        return None
    recipe = {"callable": f"{module}:{name}", "kwargs": kwargs}
    if module == "__main__":
        script = getattr(sys.modules["__main__"], "__file__", None)
        if script is None:  # an interactive session cannot be imported by another process
            return None
        recipe["main"] = script
    elif (file := _file_of(module)) is not None:
        recipe["file"] = file
    return recipe


def _file_of(module: str | None) -> str | None:
    """The file of a module that was imported from its path and cannot be found by its name."""
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if module is None or "." in module or file is None:
        return None
    spec = importlib.machinery.PathFinder.find_spec(module)
    return None if spec is not None and spec.origin == file else file


def _plain(recipe: dict[str, Any]) -> bool:
    try:
        return json.loads(json.dumps(recipe)) == recipe
    except (TypeError, ValueError):
        return False
