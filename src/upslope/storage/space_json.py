"""Gymnasium spaces as plain JSON, infinities included."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from upslope.core.checks import StorageError
from upslope.storage.json_text import Json, from_plain, to_plain

if TYPE_CHECKING:
    from gymnasium import spaces

_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_DTYPES = ("float32", "float64", "bool", *_INTEGERS)
MAX_ELEMENTS = 1 << 24


def space_to_json(space: spaces.Space) -> dict[str, Any]:
    """A space, or a nest of Dict and Tuple spaces of them, as a JSON table.

    Raises:
      StorageError: for any other kind of space.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return {
            "space": "Box",
            "shape": list(space.shape),
            "dtype": str(space.dtype),
            "low": _compact(space.low),
            "high": _compact(space.high),
        }
    if isinstance(space, spaces.Discrete):
        return {"space": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {
            "space": "MultiDiscrete",
            "nvec": space.nvec.tolist(),
            "start": space.start.tolist(),
            "dtype": str(space.dtype),
        }
    if isinstance(space, spaces.MultiBinary):
        return {"space": "MultiBinary", "shape": list(space.shape)}
    if isinstance(space, spaces.Dict):
        return {"space": "Dict", "parts": {k: space_to_json(v) for k, v in space.spaces.items()}}
    if isinstance(space, spaces.Tuple):
        return {"space": "Tuple", "parts": [space_to_json(part) for part in space.spaces]}
    raise StorageError(
        f"{type(space).__name__} spaces cannot be saved: flatten the space to a Box, Discrete, "
        f"MultiDiscrete or MultiBinary one, or a Dict or Tuple of these."
    )


def _compact(bound: np.ndarray) -> Any:
    """One number when every component has the same bound, else all of them, flat."""
    flat = bound.reshape(-1)
    same = flat.size > 0 and bool(np.all(flat == flat[0]))
    return to_plain(flat[0] if same else flat)


def space_from_json(table: Json) -> spaces.Space:
    """The space that `space_to_json` was given.

    Raises:
      StorageError: for a table that is not one of those, or describes an absurdly large space.
    """
    from gymnasium import spaces

    # Parts of a wrong type raise below, and are reported as malformed.
    parts: dict[str, Any] = table if isinstance(table, dict) else {}
    kind = parts.get("space")
    try:
        if kind == "Box":
            shape, dtype = _shape(parts["shape"]), _dtype(parts["dtype"])
            low, high = (_bound(parts[name], shape, dtype) for name in ("low", "high"))
            return spaces.Box(low, high, shape, dtype.type)
        if kind == "Discrete":
            return spaces.Discrete(_whole(parts["n"]), start=_whole(parts["start"]))
        if kind == "MultiDiscrete":
            dtype = _dtype(parts["dtype"])
            sizes, start = (np.array(parts[name], dtype) for name in ("nvec", "start"))
            return spaces.MultiDiscrete(sizes, dtype.type, start=start)
        if kind == "MultiBinary":
            shape = _shape(parts["shape"])
            return spaces.MultiBinary(shape[0] if len(shape) == 1 else shape)
        if kind == "Dict":
            return spaces.Dict({str(k): space_from_json(v) for k, v in parts["parts"].items()})
        if kind == "Tuple":
            return spaces.Tuple([space_from_json(part) for part in parts["parts"]])
    except StorageError:
        raise
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        AssertionError,
        OverflowError,
    ) as error:
        raise StorageError(
            f"The file describes a malformed {kind} space: {error!r:.200}."
        ) from error
    raise StorageError(f"The file describes a space of unknown kind {kind!r:.60}.")


def _whole(value: Json) -> int:
    if type(value) is not int:
        raise StorageError(f"The file describes a space with {value!r:.60} for a whole number.")
    return value


def _shape(value: list[Json]) -> tuple[int, ...]:
    shape = tuple(_whole(size) for size in value)
    if min(shape, default=1) < 0 or math.prod(shape) > MAX_ELEMENTS or len(shape) > 16:
        raise StorageError(f"The file describes a space of shape {value!r:.80}.")
    return shape


def _dtype(name: Json) -> np.dtype:
    if name not in _DTYPES:
        raise StorageError(f"The file describes a space of data type {name!r:.60}.")
    return np.dtype(name)


def _bound(value: Json, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    value = from_plain(value)
    if isinstance(value, list):
        return np.array(value, dtype).reshape(shape)
    return np.full(shape, value, dtype)
