"""What a NumPy body reads: observations as rows of floats. The twin of `policies.encoding`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

ACTION_MASK = "action_mask"

# NumPy arrays in nested dictionaries, tuples and lists; one array is a nest, and so is ().
Nest: TypeAlias = Any

# A nest as the environment shows it, and what a policy carries from step to step; leaves [N, ...].
Observation: TypeAlias = Nest
Memory: TypeAlias = Nest


def arrays_of(tree: Nest) -> Nest:
    """A nest of tuples and lists of arrays with NumPy's own arrays in it; lists become tuples."""
    if tree is None:
        return None
    if isinstance(tree, tuple | list):
        return tuple(arrays_of(part) for part in tree)
    return np.asarray(tree)


def leaves_of(tree: Nest) -> list[np.ndarray]:
    """The arrays of a nest in JAX's order: dicts by sorted keys, tuples by position."""
    if isinstance(tree, dict):
        return [leaf for name in sorted(tree) for leaf in leaves_of(tree[name])]
    if isinstance(tree, tuple | list):
        return [leaf for part in tree for leaf in leaves_of(part)]
    return [] if tree is None else [np.asarray(tree)]


def map_arrays(f: Callable[..., Any], tree: Nest, *others: Nest) -> Nest:
    """`f` of the arrays of nests of one structure; where the first has None, the second is kept."""
    if isinstance(tree, dict):
        return {name: map_arrays(f, tree[name], *(o[name] for o in others)) for name in tree}
    if isinstance(tree, tuple | list):
        parts = [map_arrays(f, *together) for together in zip(tree, *others, strict=True)]
        return tuple(parts)
    if tree is None:
        return others[0] if others else None
    return f(tree, *others)


def action_masks(observation: Observation) -> np.ndarray | None:
    """Booleans [N, A] from the field `action_mask` of a batch of dicts; None without it.

    Rows in which nothing is allowed allow everything, as in the heads.
    """
    if isinstance(observation, dict) and ACTION_MASK in observation:
        return np.asarray(observation[ACTION_MASK]) != 0
    return None


@dataclass(frozen=True, eq=False)
class TwinEncoding:
    """Observations [N, ...] as rows [N, I]; see `upslope.policies.encoding.encode`."""

    categories: tuple[Any, ...] = ()

    def __call__(self, observation: Observation, dtype: np.dtype) -> np.ndarray:
        """Rows [N, I] of type `dtype`."""
        if isinstance(observation, dict | tuple | list):
            if isinstance(observation, dict):
                observation = {k: v for k, v in observation.items() if k != ACTION_MASK}
            leaves = leaves_of(observation)
            per_leaf = self.categories or ((),) * len(leaves)
            rows = [self._rows(x, c, dtype) for x, c in zip(leaves, per_leaf, strict=True)]
            return np.concatenate(rows, axis=1)
        return self._rows(observation, self.categories, dtype)

    @staticmethod
    def _rows(leaf: np.ndarray, sizes: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        n = leaf.shape[0]
        if not sizes:
            rows = leaf.reshape(n, -1).astype(dtype, copy=False)
            return rows / dtype.type(255.0) if leaf.dtype == np.uint8 else rows
        indices = leaf.reshape(n, -1)
        blocks = [indices[:, k, None] == np.arange(size) for k, size in enumerate(sizes)]
        return np.concatenate(blocks, axis=1).astype(dtype)
