"""One leaf of a tree as a row of JSON and, when it is an array, a tensor; and back, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.checks import StorageError
from upslope.storage.json_text import Json, from_plain, to_plain

PRNG_IMPLEMENTATIONS = ("threefry2x32", "rbg", "unsafe_rbg")
Leaf = TypeVar("Leaf")
_NUMBERS = {"int": int, "float": float, "bool": bool, "str": str}


class AnyBytes:
    """Stands in `like` for an array of bytes whose length only the checkpoint knows."""

    def __repr__(self) -> str:
        return "uint8[any]"


@dataclass(frozen=True)
class MayBeAbsent:
    """Stands in `like` for a leaf that a checkpoint may be without.

    All such leaves of a tree are there or none is; they come back as None then.
    """

    leaf: object


def is_prng_key(leaf: object) -> TypeGuard[jax.Array]:
    """Whether a leaf is (the shape of) an array of typed PRNG keys."""
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)


def encode(leaf: object, path: str) -> tuple[dict[str, Any], np.ndarray | None]:
    """A leaf as a JSON row and a tensor (None for Python numbers and strings).

    Arrays sharded over the devices of this process are gathered.

    Raises:
      StorageError: for a leaf that cannot be saved, with its path.
    """
    for kind, type_ in _NUMBERS.items():
        if type(leaf) is type_:
            return {"kind": kind, "value": to_plain(leaf, path)}, None
    if not getattr(leaf, "is_fully_addressable", True):
        raise StorageError(
            f"{path} is spread over several processes: gather it to one before saving."
        )
    if is_prng_key(leaf):
        row = {"kind": "key", "impl": str(jax.random.key_impl(leaf)), "shape": list(leaf.shape)}
        return row, np.asarray(jax.random.key_data(leaf))
    if isinstance(leaf, jax.Array | np.ndarray | np.generic):
        array = np.asarray(leaf)
        row = {"kind": "array", "dtype": array.dtype.name, "shape": list(array.shape)}
        if isinstance(leaf, np.ndarray | np.generic):
            row["numpy"] = True
        elif leaf.weak_type:
            row["weak"] = True
        return row, array
    raise StorageError(
        f"{path} is a {type(leaf).__name__}: only arrays, PRNG keys, numbers and strings are saved."
    )


def decode(row: Json, tensor: np.ndarray | None, path: str) -> Any:
    """The leaf that `encode` was given.

    Double precision stays in NumPy's hands when JAX runs in single precision, so nothing is
    rounded.

    Raises:
      StorageError: when row and tensor contradict each other, or the row is malformed.
    """
    row = row if isinstance(row, dict) else {}
    kind = row.get("kind")
    if kind in _NUMBERS:
        value = from_plain(row.get("value"))
        if type(value) is not _NUMBERS[kind]:
            raise StorageError(f"{path} should be a {kind}, not {value!r:.60}.")
        return value
    if kind not in ("array", "key"):
        raise StorageError(f"{path} is of unknown kind {kind!r:.60}.")
    if tensor is None:
        raise StorageError(f"{path}: its tensor is missing.")
    if kind == "key":
        impl = row.get("impl")
        if impl not in PRNG_IMPLEMENTATIONS:
            raise StorageError(f"{path} has unknown PRNG implementation {impl!r:.60}.")
        if tensor.dtype != np.uint32:
            raise StorageError(f"{path} has key data of type {tensor.dtype}, not uint32.")
        try:
            keys = jax.random.wrap_key_data(jnp.asarray(tensor), impl=impl)
        except (TypeError, ValueError) as error:
            raise StorageError(f"{path} is no key of {impl}: {error}.") from error
        if list(keys.shape) != row.get("shape"):
            raise StorageError(f"{path} has shape {keys.shape}, not {row.get('shape')}.")
        return keys
    if tensor.dtype.name != row.get("dtype") or list(tensor.shape) != row.get("shape"):
        raise StorageError(
            f"{path} is {tensor.dtype.name}{list(tensor.shape)}, "
            f"but described as {row.get('dtype')!s:.20}{row.get('shape')!s:.60}."
        )
    if row.get("numpy"):
        return tensor
    if not _fits_jax(tensor.dtype):
        return tensor
    if row.get("weak"):
        zero = tensor.dtype.type(0).item()
        weak = jnp.full(tensor.shape, zero)
        if weak.dtype == tensor.dtype:
            return weak.at[...].set(tensor)
    return jnp.asarray(tensor)


def describe_leaf(leaf: object) -> str:
    """A leaf's type and shape in a few characters, such as `float32[3, 4]`."""
    if isinstance(leaf, AnyBytes):
        return repr(leaf)
    if hasattr(leaf, "dtype") and hasattr(leaf, "shape"):
        return f"{leaf.dtype}{list(leaf.shape)}"
    return type(leaf).__name__


_KEY_TYPES = {"threefry2x32": "key<fry>", "rbg": "key<rbg>", "unsafe_rbg": "key<urbg>"}


def describe_row(row: Json) -> str:
    """`describe_leaf` of the leaf that a row of JSON stands for."""
    if not isinstance(row, dict):
        return "malformed"
    if row.get("kind") == "array":
        return f"{row.get('dtype')}{row.get('shape')}"
    if row.get("kind") == "key":
        return f"{_KEY_TYPES.get(str(row.get('impl')))}{row.get('shape')}"
    return str(row.get("kind"))


def place_like(value: Leaf, like: object) -> Leaf | np.generic | np.ndarray | jax.Array:
    """`value` where `like` lives: on the same devices, or in NumPy's memory."""
    if isinstance(like, np.generic):
        return np.asarray(value)[()]
    if isinstance(like, np.ndarray):
        return np.asarray(value)
    if isinstance(like, jax.Array) and len(like.sharding.device_set) > 1:
        return jax.device_put(value, like.sharding)
    if isinstance(like, jax.Array | jax.ShapeDtypeStruct) and isinstance(value, np.ndarray):
        placed = jnp.asarray(value) if _fits_jax(value.dtype) else value
        return placed
    return value


def _fits_jax(dtype: np.dtype) -> bool:
    return jax.dtypes.canonicalize_dtype(dtype) == dtype


def nonfinite(values: Mapping[str, np.ndarray | float]) -> list[str]:
    """The paths of the floating-point values that hold a NaN or an infinity."""
    return [path for path, value in values.items() if _is_inexact(value) and not _all_finite(value)]


def has_nan(value: np.ndarray | float) -> bool:
    """Whether a floating-point value holds a NaN."""
    return _is_inexact(value) and bool(np.any(np.isnan(np.asarray(value))))


def _is_inexact(value: np.ndarray | float) -> bool:
    return isinstance(value, float) or (
        isinstance(value, np.ndarray) and jnp.issubdtype(value.dtype, jnp.inexact)
    )


def _all_finite(value: np.ndarray | float) -> bool:
    return bool(np.all(np.isfinite(np.asarray(value))))
