"""The table of a package: its public names, where each is defined, and what it is registered as."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from upslope.core.registry import Registry


class Row(NamedTuple):
    """One public name of a package.

    Attributes:
      home: the submodule that defines it, relative to the package ("evolution.cma.cma_es").
      name: the short name under which users ask for it; None for a name that is only importable.
      summary: one line about it, for lists and help.
    """

    home: str
    name: str | None = None
    summary: str = ""


Table = Mapping[str, str | Row]

# The table of each package that has been imported.
TABLES: dict[str, Table] = {}


def home_of(row: str | Row) -> str:
    """The submodule that a row of a table names."""
    return row if isinstance(row, str) else row.home


def lazy_names(
    package: str, table: Table, *others: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package whose names load on first use.

    Args:
      package: its `__name__`.
      table: public name to the submodule that defines it.
      others: public names that the package defines itself.
    """

    def get(name: str) -> Any:
        if name not in table:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        thing = getattr(importlib.import_module(f"{package}.{home_of(table[name])}"), name)
        setattr(sys.modules[package], name, thing)
        return thing

    TABLES[package] = table
    names = sorted({*table, *others})
    return get, lambda: names, names


def registry_of(
    kind: str, package: str, table: Table, expected: Mapping[str, str] | None = None
) -> Registry:
    """The registry of the rows of a table that have a short name.

    Args:
      kind: what is registered.
      package: its `__name__`.
      table: of its names.
      expected: see `Registry`.
    """
    registry = Registry(kind, expected)
    for attribute, row in table.items():
        if isinstance(row, Row) and row.name is not None:
            registry.register(row.name, f"{package}.{row.home}:{attribute}", row.summary)
    return registry


def stub(package: str) -> str:
    """The text of the package's `__init__.pyi`, which type checkers read instead of its table."""
    module = importlib.import_module(package)
    table = TABLES[package]
    imports: set[str] = set()
    values: list[str] = []
    for name in module.__all__:
        if name in table:
            imports.add(f"from {package}.{home_of(table[name])} import {name} as {name}")
            continue
        thing: object = getattr(module, name)
        if isinstance(thing, type):
            imports.add(f"from {thing.__module__} import {name} as {name}")
        else:
            kind = type(thing)
            imports.add(f"from {kind.__module__} import {kind.__name__}")
            values.append(f"{name}: {kind.__name__}")
    imports.add(f"from {__name__} import Table")
    values += ["TABLE: Table", "__all__: list[str]"]
    return "\n".join([f'"""{module.__doc__}"""', "", *sorted(imports), "", *values]) + "\n"
