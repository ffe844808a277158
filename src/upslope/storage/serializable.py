"""Which classes a file may name: the only ones that `upslope.storage.serialization` ever builds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from upslope.core.checks import StorageError
from upslope.core.lazy_names import Table, home_of
from upslope.core.registry import Registry

C = TypeVar("C", bound=type)

MODULES = Registry("serializable class")
_NAMES: dict[str, str] = {}  # "package.module:Class" to the name in files


class EarlierClass(NamedTuple):
    """A class as files of earlier versions describe it."""

    fields: frozenset[str]
    static: frozenset[str]
    convert: str  # "package.module:function" from these fields, by name, to today's object


EARLIER: dict[str, EarlierClass] = {}


def _register(name: str, location: str, target: type | str) -> None:
    MODULES.register(name, target)
    _NAMES[location] = name


def serializable_package(package: str, table: Table) -> None:
    """Lets files name the classes of a package's table, each by its own name.

    Nothing is imported: a class is looked at when a file names it.
    """
    for name, row in table.items():
        if name[0].isupper():
            location = f"{package}.{home_of(row)}:{name}"
            _register(name, location, location)


serializable_package(
    "upslope.core",
    {
        "Moments": "moments",
        "Convolution": "networks.convolutional",
        "ConvolutionalNetwork": "networks.convolutional",
        "GRUCell": "networks.gru",
        "Linear": "networks.linear",
        "MLP": "networks.mlp",
    },
)


def earlier_class(name: str, fields: Iterable[str], static: Iterable[str], convert: str) -> None:
    """Lets files describe a class that is gone, or that had other fields.

    Args:
      name: the class's name in files.
      fields: those that it had.
      static: its static fields.
      convert: "package.module:function" of this library, called with all of them by name.
    """
    EARLIER[name] = EarlierClass(frozenset(fields), frozenset(static), convert)


def serializable(name: str) -> Callable[[C], C]:
    """Class decorator: lets saved policies contain this `eqx.Module` or NamedTuple, as `name`.

    The module that applies it must have been imported before such a policy is loaded.

    Raises:
      UpslopeError: when another class has that name.
    """

    def register(cls: C) -> C:
        _register(name, location(cls), cls)
        return cls

    return register


def location(cls: type) -> str:
    """Where a class is defined: "package.module:Class"."""
    return f"{cls.__module__}:{cls.__qualname__}"


def name_in_files(cls: type) -> str:
    """The name under which files speak of `cls`.

    Raises:
      StorageError: when the class was not registered.
    """
    name = _NAMES.get(location(cls))
    if name is None or MODULES.get(name) is not cls:
        raise StorageError(
            f"{cls.__qualname__} is not registered for saving. Decorate the class with "
            f"@upslope.storage.serializable.serializable({cls.__name__!r})."
        )
    return name


def class_named(name: object) -> type:
    """The class that files call `name`: looked up in the table, never imported by its name.

    Raises:
      StorageError: for a name that nobody registered.
    """
    if not isinstance(name, str) or name not in MODULES:
        raise StorageError(
            f"The file names the class {name!r:.80}, which is not registered. If it is yours, "
            f"import the module that registers it (@serializable) before loading."
        )
    cls = MODULES.get(name)
    if not isinstance(cls, type):
        raise StorageError(f"{name!r:.80} is not a class.")
    return cls
