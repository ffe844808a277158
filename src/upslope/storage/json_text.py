"""JSON from strangers, read within limits; and plain values written so that they come back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from upslope.core.checks import StorageError

# What JSON can say. A stranger's file may say any of it.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_BYTES = 16 << 20
MAX_DEPTH = 64
_FLOAT = "$float"  # {"$float": "nan"}: JSON has no NaN and no infinities


def parse_json(data: bytes, name: str, *, max_bytes: int = MAX_BYTES) -> Any:
    """The value of JSON text that may be hostile.

    Args:
      data: the text, UTF-8.
      name: what to call the file in errors.
      max_bytes: the largest text that is looked at.

    Raises:
      StorageError: for text too long or nested too deeply, a key that appears twice, NaN or
        infinity as a bare word, and anything that is not JSON.
    """
    if len(data) > max_bytes:
        raise StorageError(
            f"{name} is {len(data)} bytes long: more than the {max_bytes} that are read."
        )
    try:
        value = json.loads(data, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{name} is not valid JSON: {error}.") from error
    check_depth(value, name)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {twice!r} appears twice")
    return table


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def check_depth(value: Json, name: str, limit: int = MAX_DEPTH) -> None:
    """Raises StorageError if lists and tables are nested more than `limit` deep."""
    layer, depth = [value], 0
    while layer:
        if depth > limit:
            raise StorageError(f"{name} is nested more than {limit} deep.")
        layer = [
            child
            for node in layer
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        depth += 1


def to_plain(value: object, where: str = "metadata") -> Any:
    """A JSON value from which `from_plain` gives `value` back.

    Tuples become lists and NumPy numbers Python's; floats that JSON lacks are tagged. Integers
    keep all their digits.

    Raises:
      StorageError: for a value that is not plain, with its place.
    """
    if value is None or isinstance(value, bool | int | str):
        return value if isinstance(value, bool) or not isinstance(value, int) else int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_FLOAT: repr(float(value))}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key == _FLOAT:
                raise StorageError(f"{where} has the key {key!r}: keys must be (other) strings.")
        return {key: to_plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, np.generic | np.ndarray) or hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype.kind in "biuf":
            return to_plain(array.tolist(), where)
    raise StorageError(
        f"{where} is a {type(value).__name__}: only numbers, strings, None, lists and tables "
        f"with string keys can be written."
    )


def from_plain(value: Json) -> Any:
    """The value that `to_plain` was given (with lists for tuples).

    Raises:
      StorageError: for a tagged float that is none of nan, inf, -inf.
    """
    if isinstance(value, dict):
        if value.keys() == {_FLOAT}:
            if value[_FLOAT] not in ("nan", "inf", "-inf"):
                raise StorageError(f"{value[_FLOAT]!r} is not one of nan, inf, -inf.")
            return float(str(value[_FLOAT]))
        return {key: from_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    return value


def finite_or_null(value: object) -> Any:
    """A JSON value in which every number that is not finite is null: for tables of metrics."""

    def null(node: Json) -> Json:
        if isinstance(node, dict):
            return None if node.keys() == {_FLOAT} else {k: null(v) for k, v in node.items()}
        return [null(item) for item in node] if isinstance(node, list) else node

    return null(to_plain(value, "metrics"))
