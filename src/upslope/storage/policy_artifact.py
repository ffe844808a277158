"""A saved policy: a folder of tensors, a description and hashes. Loading it runs none of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from upslope.core.annotations import PyTree
from upslope.core.checks import StorageError, check_number
from upslope.storage import atomic_folder, tensors
from upslope.storage.json_text import from_plain, parse_json, to_plain
from upslope.storage.serialization import describe, rebuild
from upslope.storage.space_json import space_from_json, space_to_json

if TYPE_CHECKING:
    from gymnasium import spaces

SCHEMA = 1
_KIND = "policy"


class LoadedPolicy(NamedTuple):
    """What a policy folder holds."""

    policy: Any  # arrays have a leading axis [S] when `seeds` is not None
    observation_space: spaces.Space
    action_space: spaces.Space
    metadata: dict[str, Any]  # environment, extra, versions, ...
    seeds: int | None  # S, or None for a single policy

    def of_seed(self, index: int) -> Any:
        """The policy of one seed; a single policy is itself.

        Raises:
          StorageError: when there are not that many seeds.
        """
        if self.seeds is None:
            return self.policy
        check_number("A policy", "seed", index, integer=True)
        if not 0 <= index < self.seeds:
            raise StorageError(f"There is no seed {index}: the policy was saved for {self.seeds}.")
        return jax.tree.map(
            lambda leaf: leaf[index] if isinstance(leaf, jax.Array | np.ndarray) else leaf,
            self.policy,
        )


def save_policy(
    path: Path,
    policies: PyTree,
    *,
    observation_space: spaces.Space,
    action_space: spaces.Space,
    environment: Mapping[str, Any],
    extra: Mapping[str, Any],
    seeds: int | None = None,
) -> Path:
    """Writes a policy, all of it or nothing, replacing the one that is there.

    Args:
      path: the folder.
      policies: one policy, or one whose arrays have a leading axis [S].
      observation_space: a Gymnasium space (Box, Discrete, MultiDiscrete or MultiBinary).
      action_space: likewise.
      environment: plain values that say which environment it was trained in.
      extra: plain values of the caller's own.
      seeds: S, or None for a single policy.

    Raises:
      StorageError: when something in it cannot be saved, or the folder cannot be written.
    """
    path = Path(path)
    if path.exists() and not (path / atomic_folder.MANIFEST).is_file() and any(path.iterdir()):
        raise StorageError(f"{path} holds other files: choose another folder for the policy.")
    description, arrays = describe(policies)
    text = {
        "schema": SCHEMA,
        "upslope": atomic_folder.library_version(),
        "versions": _versions(),
        "seeds": seeds,
        "policy": description,
        "paths": list(arrays),
        "observation_space": space_to_json(observation_space),
        "action_space": space_to_json(action_space),
        "environment": to_plain(environment, "environment"),
        "extra": to_plain(extra, "extra"),
    }
    files = {
        "policy.safetensors": tensors.pack(arrays),
        "policy.json": (json.dumps(text, indent=1, allow_nan=False) + "\n").encode(),
    }
    atomic_folder.commit_folder(path, files, _KIND)
    return path


def load_policy(path: Path) -> LoadedPolicy:
    """Reads a policy folder that may come from a stranger.

    Sizes and hashes first, then the JSON within limits, then the classes from the table of
    registered ones, then shapes, then tensors. Nothing in it is run or imported.

    Raises:
      StorageError: when there is none, it is damaged, malformed, from a newer version, or names a
        class that is not registered.
    """
    folder = atomic_folder.find(Path(path))
    marks = (atomic_folder.MANIFEST, "policy.json")  # one of them is left of a damaged one
    if folder is None or not any((folder / name).is_file() for name in marks):
        raise StorageError(
            f"{path} is not a policy folder. A policy is the folder `policy/` of a run, with "
            f"policy.json and policy.safetensors in it."
        )
    files = atomic_folder.read_folder(folder, _KIND)
    if files.keys() != {"policy.safetensors", "policy.json"}:
        raise StorageError(f"{folder} should hold policy.safetensors and policy.json alone.")
    text = parse_json(files["policy.json"], str(folder / "policy.json"))
    atomic_folder.check_schema(folder, text, SCHEMA)
    seeds = text.get("seeds")
    if not (seeds is None or (type(seeds) is int and seeds >= 1)):
        raise StorageError(f"{folder / 'policy.json'} has seeds={seeds!r:.60}.")
    arrays = tensors.unpack(files["policy.safetensors"], str(folder / "policy.safetensors"))
    if seeds is not None:
        for name, array in arrays.items():
            if array.shape[:1] != (seeds,):
                raise StorageError(f"{name} has shape {array.shape}: no leading axis of {seeds}.")
    return LoadedPolicy(
        policy=rebuild(text.get("policy"), arrays),
        observation_space=space_from_json(text.get("observation_space")),
        action_space=space_from_json(text.get("action_space")),
        metadata={
            name: from_plain(text.get(name))
            for name in ("environment", "extra", "versions", "upslope")
        },
        seeds=seeds,
    )


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("jax", "jaxlib", "numpy", "equinox")
    return {"python": platform.python_version()} | {name: version(name) for name in names}
