"""Any tree of registered classes as JSON and arrays, and back, without running what a file says."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any, TypeVar

import equinox as eqx
import numpy as np

from upslope.core.annotations import PyTree
from upslope.core.checks import StorageError
from upslope.storage import leaves
from upslope.storage.json_text import Json, from_plain, to_plain
from upslope.storage.serializable import EARLIER, EarlierClass, class_named, name_in_files

M = TypeVar("M")


def describe(tree: PyTree) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A tree as a description in plain JSON and its arrays by path.

    The tree may hold registered `eqx.Module`s and NamedTuples (`upslope.storage.serializable`),
    tuples, lists, dicts with string keys, None, numbers, strings, arrays and typed PRNG keys.
    Static fields must be plain: numbers, strings, booleans, None and tuples of them.

    Raises:
      StorageError: for anything else, with its path.
    """
    arrays: dict[str, np.ndarray] = {}
    return _describe(tree, "", arrays), arrays


def _describe(node: PyTree, path: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    if node is None:
        return {"kind": "none"}
    if isinstance(node, eqx.Module):
        fields, static = {}, {}
        for field in dataclasses.fields(node):
            where = f"{path}.{field.name}"
            value = getattr(node, field.name)
            if field.metadata.get("static", False):
                static[field.name] = _static(value, where)
            else:
                fields[field.name] = _describe(value, where, arrays)
        name = name_in_files(type(node))
        return {"kind": "module", "class": name, "static": static, "fields": fields}
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        fields = {f: _describe(getattr(node, f), f"{path}.{f}", arrays) for f in node._fields}
        return {"kind": "namedtuple", "class": name_in_files(type(node)), "fields": fields}
    if type(node) in (tuple, list):
        items = [_describe(item, f"{path}[{i}]", arrays) for i, item in enumerate(node)]
        return {"kind": type(node).__name__, "items": items}
    if type(node) is dict:
        for key in node:
            if not isinstance(key, str):
                raise StorageError(
                    f"{path or 'The root'} has the key {key!r}: it must be a string."
                )
        items = {key: _describe(item, f"{path}[{key!r}]", arrays) for key, item in node.items()}
        return {"kind": "dict", "items": items}
    row, array = leaves.encode(node, path or ".")
    if array is not None:
        arrays[path or "."] = array
    return row


def _static(value: object, where: str) -> Any:
    if isinstance(value, list | dict):
        raise StorageError(f"{where} is static and a {type(value).__name__}: make it a tuple.")
    if isinstance(value, tuple):
        return [_static(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if not (value is None or type(value) in (bool, int, float, str)):
        raise StorageError(
            f"{where} is static and a {type(value).__name__}: static fields that are saved must be "
            f"numbers, strings, booleans, None or tuples of them."
        )
    return to_plain(value, where)


def rebuild(description: Json, arrays: dict[str, np.ndarray]) -> Any:
    """The tree that `describe` was given.

    Classes are looked up in the table of `upslope.storage.serializable`; their constructors do not
    run. Every array is used exactly once.

    Raises:
      StorageError: when the description is malformed, names an unknown class, or contradicts the
        class's fields or the arrays: the first differing paths are listed.
    """
    problems: list[str] = []
    used: set[str] = set()
    tree = _rebuild(description, "", arrays, used, problems)
    problems += [f"{path}: in the file, but not described" for path in arrays if path not in used]
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise StorageError(
            f"The file does not fit its description: {'; '.join(problems[:5])}{more}."
        )
    return tree


def _rebuild(
    node: Json, path: str, arrays: dict[str, np.ndarray], used: set[str], problems: list[str]
) -> Any:
    table: dict[str, Any] = node if isinstance(node, dict) else {}
    kind = table.get("kind")

    def children(parts: dict[str, Any], form: str) -> dict[str, Any]:
        return {
            key: _rebuild(child, path + form.format(key, repr(key)), arrays, used, problems)
            for key, child in parts.items()
        }

    if kind == "none":
        return None
    if kind in ("tuple", "list"):
        items = _table(table, "items", list, path)
        built = list(children({str(i): item for i, item in enumerate(items)}, "[{0}]").values())
        return tuple(built) if kind == "tuple" else built
    if kind == "dict":
        return children(_table(table, "items", dict, path), "[{1}]")
    if kind == "module" and (earlier := _earlier(table, path)) is not None:
        before = len(problems)
        values = children(table["fields"], ".{0}")
        if len(problems) > before:
            return None
        module, function = earlier.convert.split(":")
        convert = getattr(importlib.import_module(module), function)
        try:
            return convert(**values, **{k: _tuples(v) for k, v in table["static"].items()})
        except (TypeError, ValueError, AttributeError) as error:
            problems.append(f"{path or '.'}: not what {table['class']} was: {error}")
            return None
    if kind in ("module", "namedtuple"):
        cls = class_named(table.get("class"))
        fields = _table(table, "fields", dict, path)
        static = _table(table, "static", dict, path) if kind == "module" else {}
        if not _fields_fit(cls, kind, fields, static, path, problems):
            used.update(name for name in arrays if name.startswith(path))
            return None
        values = children(fields, ".{0}")
        if kind == "namedtuple":
            return cls(**values)
        return assembled(cls, values | {key: _tuples(value) for key, value in static.items()})
    where = path or "."
    if kind in ("array", "key"):
        used.add(where)
    try:
        return leaves.decode(node, arrays.get(where), where)
    except StorageError as error:
        problems.append(str(error).rstrip("."))
        return None


def _table(node: dict[str, Any], name: str, type_: type, path: str) -> Any:
    value = node.get(name)
    if not isinstance(value, type_):
        raise StorageError(
            f"{path or 'The root'} of the description has no {type_.__name__} {name}."
        )
    return value


def _fields_fit(
    cls: type, kind: str, fields: dict, static: dict, path: str, problems: list[str]
) -> bool:
    """Whether the described fields are the class's own; what differs goes to `problems`."""
    if kind == "module" and issubclass(cls, eqx.Module):
        declared = dataclasses.fields(cls)  # pyright: ignore[reportArgumentType]
        known_static = {f.name for f in declared if f.metadata.get("static", False)}
        known = {f.name for f in declared} - known_static
    elif kind == "namedtuple" and issubclass(cls, tuple) and hasattr(cls, "_fields"):
        known_static, known = set(), set(cls._fields)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        raise StorageError(f"{path or 'The root'}: {cls.__qualname__} is not a {kind}.")
    before = len(problems)
    for has, should in ((fields.keys(), known), (static.keys(), known_static)):
        problems += [f"{path}.{name}: {cls.__qualname__} needs it" for name in sorted(should - has)]
        problems += [
            f"{path}.{name}: {cls.__qualname__} has no such field" for name in sorted(has - should)
        ]
    return len(problems) == before


def _tuples(value: Json) -> Any:
    value = from_plain(value)
    if isinstance(value, dict):
        raise StorageError("A static field is a table: only plain values are allowed.")
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _earlier(node: dict[str, Any], path: str) -> EarlierClass | None:
    """How a described module looked in earlier versions, if it has exactly the fields of then."""
    name = node.get("class")
    earlier = EARLIER.get(name) if isinstance(name, str) else None
    if earlier is None:
        return None
    fields, static = (_table(node, part, dict, path).keys() for part in ("fields", "static"))
    return earlier if (fields, static) == (earlier.fields, earlier.static) else None


def assembled(cls: type[M], values: dict[str, Any]) -> M:
    """An instance made as Equinox unflattens one: its constructor does not run."""
    module = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(module, name, value)
    return module
