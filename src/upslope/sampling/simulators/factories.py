"""How another process builds the same simulator: its factory, by value where a name does not do.

What is packed here goes through a pipe to a process of ours and nowhere else, and only such a
process unpacks it: no file holds it, none is read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.machinery
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from upslope.core.checks import WorkerError

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec


class CannotTravel(WorkerError):
    """Another process cannot build a simulator that this one can."""


def serialize_factory(environment: Any) -> bytes:
    """What a simulator process needs to build what `environment.build()` builds.

    Classes and functions of the program itself, of a notebook or of another function travel by
    value; those of a module that can be imported by its name travel by that name. A registered id
    travels with its specification, and so do the other ids that are not Gymnasium's own.

    Raises:
      CannotTravel: something in it has no such form (an open file, a lock, a window, ...).
    """
    import cloudpickle

    parcel = parcel_of(environment)
    try:
        with by_value(modules_of(parcel)):
            return cloudpickle.dumps(parcel)
    except Exception as error:  # whatever an object's own __reduce__ raises
        reason = f"{type(error).__name__}: {error}"
        raise CannotTravel(f"it cannot be sent to another process ({reason})") from error


def import_path(environment: Any) -> list[str]:
    """Where a simulator process looks for modules: where this one does, absolutely.

    What lies beside a file that was imported by its path can be imported there, too.
    """
    files = [file_of(module) for module in modules_of(parcel_of(environment))]
    beside = sorted({os.path.dirname(os.path.abspath(file)) for file in files if file})
    return [os.path.abspath(path) for path in sys.path] + beside


def parcel_of(environment: Any) -> dict[str, Any]:
    """What builds a simulator elsewhere: a specification with keyword arguments, or a factory."""
    factory = getattr(environment, "factory", None)
    spec, kwargs = None, dict(getattr(environment, "kwargs", {}))
    parts = getattr(factory, "args", ())
    if factory is None and not hasattr(environment, "id"):
        factory = environment.build
    elif factory is None:
        import gymnasium

        spec = portable(gymnasium.spec(str(environment.id)))
    elif isinstance(factory, functools.partial) and len(parts) == 1 and is_spec(parts[0]):
        spec, factory, kwargs = portable(parts[0]), None, {}
    atari = getattr(environment, "atari", None)
    return {
        "spec": spec,
        "factory": factory,
        "kwargs": kwargs,
        # plain values: the class has another name where JAX must not be imported
        "atari": None if atari is None else dataclasses.asdict(atari),
        "action_mask": bool(getattr(environment, "action_mask", False)),
        "registered": registrations(),
    }


def registrations() -> dict[str, EnvSpec]:
    """The ids that are not Gymnasium's own, as far as they can travel."""
    import cloudpickle
    import gymnasium

    found: dict[str, EnvSpec] = {}
    for id, spec in gymnasium.registry.items():
        if str(spec.entry_point).startswith("gymnasium."):
            continue
        try:
            moved = portable(spec)
            if not isinstance(moved.entry_point, str):
                cloudpickle.dumps(moved)
        except Exception:  # it stays behind: perhaps the program never makes it
            continue
        found[id] = moved
    return found


def portable(spec: EnvSpec) -> EnvSpec:
    """A specification with its class instead of a name that another process does not find."""
    from gymnasium.envs.registration import load_env_creator

    entry = spec.entry_point
    if not isinstance(entry, str):
        return spec
    module = sys.modules.get(entry.partition(":")[0])
    if module is None or (module.__name__ != "__main__" and file_of(module) is None):
        return spec
    return dataclasses.replace(spec, entry_point=load_env_creator(entry))


def is_spec(thing: object) -> bool:
    """Whether something is a specification of Gymnasium's."""
    from gymnasium.envs.registration import EnvSpec

    return isinstance(thing, EnvSpec)


def modules_of(parcel: Mapping[str, Any]) -> set[ModuleType]:
    """The modules of what is in a parcel that another process does not find by their names."""
    specs = [parcel["spec"], *parcel["registered"].values()]
    things = [parcel["factory"], *(spec.entry_point for spec in specs if spec is not None)]
    found = set()
    for thing in things:
        while isinstance(thing, functools.partial):
            thing = thing.func
        module = sys.modules.get(str(getattr(thing, "__module__", None)))
        if module is not None and file_of(module) is not None:
            found.add(module)
    return found


def file_of(module: ModuleType) -> str | None:
    """The file of a module that was imported from its path and cannot be found by its name."""
    file, name = getattr(module, "__file__", None), module.__name__
    if "." in name or name == "__main__" or file is None:
        return None
    spec = importlib.machinery.PathFinder.find_spec(name)
    return None if spec is not None and spec.origin == file else file


@contextlib.contextmanager
def by_value(modules: Iterable[ModuleType]) -> Iterator[None]:
    """Within the block, what these modules define travels by value, as the program itself does."""
    import cloudpickle

    chosen = list(modules)
    for module in chosen:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in chosen:
            cloudpickle.unregister_pickle_by_value(module)
