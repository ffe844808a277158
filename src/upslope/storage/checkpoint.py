"""Checkpoints: the whole state of a run, complete or absent, checked when it is read."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.tree_util import KeyPath

from upslope.core.annotations import PyTree
from upslope.core.checks import StorageError
from upslope.storage import atomic, atomic_folder, leaves, tensors
from upslope.storage.atomic_folder import DamagedFolder
from upslope.storage.json_text import from_plain, parse_json, to_plain

T = TypeVar("T")
SCHEMA = 1
_STEP = re.compile(r"step_(\d{1,18})(\.old-[0-9a-f]{16})?")


class CheckpointIncomplete(DamagedFolder):
    """The step that was asked for was never committed, or part of it is gone."""


def save_checkpoint(
    folder: Path, step: int, tree: PyTree, metadata: dict[str, Any], *, keep: int = 3
) -> Path:
    """Commits `tree` as the checkpoint of `step`, then deletes what need not be kept.

    At no instant is there no checkpoint: the new one is durable before an old one goes. Checkpoints
    of later steps are left from a future that was given up when the run went back; they go too.

    Args:
      folder: the run's `checkpoints/`.
      step: the number of environment steps or iterations behind it.
      tree: arrays, typed PRNG keys, Python numbers and strings.
      metadata: plain values; comes back with `nonfinite` added, the paths of leaves that hold NaN
        or infinity.
      keep: how many of the latest to keep.

    Raises:
      StorageError: when it cannot be written; the earlier checkpoints are then untouched.
    """
    if step < 0 or keep < 1:
        raise StorageError(f"save_checkpoint got step={step}, keep={keep}: 0 and 1 are the least.")
    folder = Path(folder)
    path = folder / f"step_{step:012d}"
    try:
        atomic_folder.clean(folder)
    except OSError as error:
        raise atomic.storage_error("write", path, error) from error
    atomic_folder.commit_folder(path, _encode(tree, metadata, step), "checkpoint")
    _retire(folder, step, path, keep)
    return path


def _retire(folder: Path, step: int, newest: Path, keep: int) -> None:
    kept = 0
    for found, path in sorted(_folders(folder), reverse=True):
        if path == newest or (found < step and kept < keep and atomic_folder.is_complete(path)):
            kept += 1
        else:
            try:
                atomic.remove_folder(path)
            except OSError as error:
                raise atomic.storage_error("delete", path, error) from error


def _folders(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    matches = [(_STEP.fullmatch(path.name), path) for path in folder.iterdir()]
    return [(int(match[1]), path) for match, path in matches if match and path.is_dir()]


def checkpoints(folder: Path) -> list[int]:
    """The committed and complete steps, in ascending order, as the disk has them now."""
    return sorted({step for step, path in _folders(folder) if atomic_folder.is_complete(path)})


def _path_of(folder: Path, step: int) -> Path:
    found = [path for number, path in _folders(folder) if number == step]
    complete = [path for path in found if atomic_folder.is_complete(path)]
    if complete:
        return min(complete, key=lambda path: (".old-" in path.name, path.name))
    if found:
        return found[0]  # reading it says what is missing
    have = ", ".join(map(str, checkpoints(folder))) or "none"
    raise CheckpointIncomplete(f"{folder} has no checkpoint of step {step}. Complete: {have}.")


def load_latest(
    folder: Path, like: T, warn: Callable[[str], None] = warnings.warn
) -> tuple[int, T, dict[str, Any]]:
    """The latest checkpoint that is whole: its step, tree and metadata.

    A damaged one is skipped, and `warn` is told which, why, and what is used instead. A
    checkpoint that is whole but of another structure, or of a newer version, is an error.

    Raises:
      StorageError: when there is no whole checkpoint, or the latest does not fit `like`.
    """
    folder = Path(folder)
    damaged = []
    for step in sorted({step for step, _ in _folders(folder)}, reverse=True):
        try:
            tree, metadata = _load(_path_of(folder, step), like, "checkpoint", warn)
        except DamagedFolder as error:
            damaged.append(f"step {step}: {error}")
            continue
        for reason in damaged:
            warn(f"Skipped a corrupt checkpoint; resuming from step {step}. {reason}")
        return step, tree, metadata
    why = f" Damaged: {' '.join(damaged)}" if damaged else ""
    raise StorageError(f"{folder} has no whole checkpoint to go on from.{why}")


def newest_arrays(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of the latest checkpoint, by the names that its tree gives them.

    Raises:
      StorageError: when there is no checkpoint, or the latest is damaged.
    """
    steps = checkpoints(Path(folder))
    if not steps:
        raise StorageError(f"{folder} has no whole checkpoint.")
    return _read(_path_of(Path(folder), steps[-1]))[1]


def _name(path: KeyPath) -> str:
    return jax.tree_util.keystr(path) or "."


def _encode(tree: PyTree, metadata: dict[str, Any], step: int) -> dict[str, bytes]:
    rows: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    numbers: dict[str, float] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = _name(path)
        if name in rows:
            raise StorageError(f"Two leaves have the path {name}: rename a key.")
        rows[name], array = leaves.encode(leaf, name)
        if array is not None:
            arrays[name] = array
        elif isinstance(leaf, float):
            numbers[name] = leaf
    state = {
        "schema": SCHEMA,
        "upslope": atomic_folder.library_version(),
        "step": int(step),
        "metadata": to_plain(metadata),
        "nonfinite": leaves.nonfinite({**arrays, **numbers}),
        "nan": [n for n, x in {**arrays, **numbers}.items() if leaves.has_nan(x)],
        "leaves": rows,
    }
    text = json.dumps(state, indent=1, allow_nan=False)
    return {"state.safetensors": tensors.pack(arrays), "state.json": text.encode()}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    files = atomic_folder.read_folder(path, "checkpoint")
    if not {"state.json", "state.safetensors"} <= files.keys():
        raise DamagedFolder(f"{path} lacks state.json or state.safetensors.")
    state = parse_json(files["state.json"], str(path / "state.json"), max_bytes=256 << 20)
    atomic_folder.check_schema(path, state, SCHEMA)
    if not isinstance(state.get("leaves"), dict) or not isinstance(state.get("metadata"), dict):
        raise DamagedFolder(f"{path / 'state.json'} has no leaves or no metadata.")
    return state, tensors.unpack(files["state.safetensors"], str(path / "state.safetensors"))


def _load(path: Path, like: T, kind: str, warn: Callable[[str], None]) -> tuple[T, dict[str, Any]]:
    state, arrays = _read(path)
    rows = state["leaves"]
    paths, structure = jax.tree_util.tree_flatten_with_path(like)
    wanted = {_name(where): leaf for where, leaf in paths}
    optional = {name for name, leaf in wanted.items() if isinstance(leaf, leaves.MayBeAbsent)}
    absent = optional if optional.isdisjoint(rows) else set()  # they come and go together
    wanted = {
        name: leaf.leaf if isinstance(leaf, leaves.MayBeAbsent) else leaf
        for name, leaf in wanted.items()
    }
    _check_like(path, {name: wanted[name] for name in wanted if name not in absent}, rows)
    found = [
        None
        if name in absent
        else leaves.place_like(leaves.decode(rows[name], arrays.get(name), name), leaf)
        for name, leaf in wanted.items()
    ]
    if state.get("nan"):
        warn(f"{path} holds NaN in {', '.join(map(str, state['nan'][:5]))}.")
    metadata = from_plain(state["metadata"])
    return jax.tree_util.tree_unflatten(structure, found), {
        **metadata,
        "step": state.get("step"),
        "nonfinite": state.get("nonfinite", []),
    }


def _check_like(path: Path, wanted: dict[str, Any], rows: dict[str, Any]) -> None:
    differences = []
    for name, leaf in wanted.items():
        saved = leaves.describe_row(rows[name]) if name in rows else "absent"
        if isinstance(leaf, leaves.AnyBytes) and saved.startswith("uint8["):
            continue
        if saved != leaves.describe_leaf(leaf):
            differences.append(f"{name}: saved {saved}, wanted {leaves.describe_leaf(leaf)}")
    for name in rows:
        if name not in wanted:
            differences.append(f"{name}: saved {leaves.describe_row(rows[name])}, unexpected")
    if differences:
        more = f" (and {len(differences) - 5} more)" if len(differences) > 5 else ""
        raise StorageError(
            f"{path} does not match this configuration: {'; '.join(differences[:5])}{more}. "
            f"Resume with the configuration of the run, or start a new one."
        )
