"""Arrays as safetensors: bytes with a header, and no code anywhere."""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np

from upslope.core.checks import StorageError

_DTYPES: dict[str, np.dtype] = {
    "BOOL": np.dtype(bool),
    "I8": np.dtype("int8"),
    "I16": np.dtype("int16"),
    "I32": np.dtype("int32"),
    "I64": np.dtype("int64"),
    "U8": np.dtype("uint8"),
    "U16": np.dtype("uint16"),
    "U32": np.dtype("uint32"),
    "U64": np.dtype("uint64"),
    "F16": np.dtype("float16"),
    "F32": np.dtype("float32"),
    "F64": np.dtype("float64"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as the bytes of one safetensors file, bit for bit.

    Raises:
      StorageError: for a data type the format lacks (complex, float0, int4, objects, ...).
    """
    from safetensors.numpy import save

    known = set(_DTYPES.values())
    ready = {}
    for name, array in arrays.items():
        array = np.asarray(array)
        if array.dtype.newbyteorder("=") not in known:
            raise StorageError(
                f"{name} has data type {array.dtype}, which cannot be saved. "
                f"Convert it to one of {', '.join(sorted(map(str, known)))}."
            )
        # The writer reads raw memory: it must be dense, in C order, in this machine's byte order.
        ready[name] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    return save(ready)


def unpack(data: bytes, name: str) -> dict[str, np.ndarray]:
    """The arrays in the bytes of a safetensors file; `name` is for errors.

    Raises:
      StorageError: when they are not that: another format, a header that lies, overlapping tensors.
    """
    from safetensors import SafetensorError, deserialize

    try:
        rows = deserialize(data)
    except SafetensorError as error:
        raise StorageError(f"{name} is not a safetensors file: {error}.") from error
    arrays = {}
    for key, row in rows:
        dtype = _DTYPES.get(row["dtype"])
        if dtype is None:
            raise StorageError(f"{name} holds {key!r} of unknown data type {row['dtype']!r:.20}.")
        arrays[key] = np.frombuffer(bytearray(row["data"]), dtype=dtype).reshape(row["shape"])
    return arrays
