"""Data that a model can be fitted to, checked row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError
from upslope.core.records import Transitions

if TYPE_CHECKING:
    from gymnasium import spaces

FIELDS = ("observation", "action", "reward", "next_observation", "terminated", "truncated")


def checked_rows(owner: str, data: Transitions, at_least: int = 1) -> Transitions:
    """The rows that count, as NumPy arrays, in their order.

    Args:
      owner: whom the error names.
      data: rows; those of weight 0 are left out.
      at_least: rows that are needed.

    Raises:
      UpslopeError: columns of different lengths, trees instead of arrays, rewards and ends that are
        not one number a row, a NaN or an infinity (where), successors unlike the observations, or
        too few rows.
    """
    if not isinstance(data, Transitions):
        raise UpslopeError(
            f"{owner} got data of type {type(data).__name__}: it must be Transitions. "
            "upslope.models.read_transitions(path) reads files, Transitions.of(trajectories) "
            "takes what was sampled."
        )
    columns = {name: _column(owner, name, getattr(data, name)) for name in (*FIELDS, "weight")}
    n_rows = len(columns["reward"])
    for name, column in columns.items():
        if len(column) != n_rows:
            raise UpslopeError(
                f"{owner} got {len(column):,} rows of {name} and {n_rows:,} of reward: each step "
                "is one row of every column."
            )
        if name in ("reward", "terminated", "truncated", "weight") and column.ndim != 1:
            raise UpslopeError(
                f"{owner} got {name} of shape {column.shape}: it must be ({n_rows},), one value "
                "per step."
            )
    here, there = columns["observation"].shape[1:], columns["next_observation"].shape[1:]
    if here != there:
        raise UpslopeError(
            f"{owner} got observations of shape {here} and next observations of shape {there}: "
            "they must be of one shape."
        )
    kept = columns["weight"] > 0
    columns = {name: column[kept] for name, column in columns.items()}
    for name, column in columns.items():
        if np.issubdtype(column.dtype, np.floating) and not np.isfinite(column).all():
            bad = tuple(int(i) for i in np.argwhere(~np.isfinite(column))[0])
            raise UpslopeError(
                f"{owner} got {name}[{', '.join(map(str, bad))}] = {column[bad]}: every number "
                "must be finite. Leave such steps out, or give them weight 0."
            )
    count = len(columns["reward"])
    if count < at_least:
        raise UpslopeError(f"{owner} got {count} rows to fit to: it needs at least {at_least}.")
    for name in ("terminated", "truncated"):
        columns[name] = columns[name].astype(bool)
    return as_rows(columns)


def as_rows(columns: Mapping[str, np.ndarray]) -> Transitions:
    """Columns by name as rows, all of weight 1 unless there is a column of weights."""
    weight = columns.get("weight", np.ones(len(columns["reward"])))
    return Transitions(**cast(dict[str, Any], {**columns, "weight": weight}))


def _column(owner: str, name: str, values: ArrayLike) -> np.ndarray:
    if isinstance(values, dict | tuple) or not hasattr(values, "__len__"):
        raise UpslopeError(
            f"{owner} got {name} as a {type(values).__name__}: it must be one array. Observations "
            "of several parts are put into one array by gymnasium.wrappers.FlattenObservation."
        )
    column = np.asarray(values)
    if column.dtype == object or column.dtype.kind in "USmMV":
        raise UpslopeError(f"{owner} got {name} of type {column.dtype}: it must be numbers.")
    if column.ndim == 0:
        raise UpslopeError(f"{owner} got {name} without an axis of rows.")
    return column


def discrete_column(owner: str, name: str, column: np.ndarray, n: int | None) -> np.ndarray:
    """A column [N] of numbers of states or actions, as int64.

    Args:
      owner: whom the error names.
      name: of the column.
      column: its values.
      n: how many there are; None for as many as the data name.

    Raises:
      UpslopeError: values that are not whole, or outside 0..n-1 (where).
    """
    flat = column.reshape(len(column), -1)
    if flat.shape[1] != 1:
        raise UpslopeError(
            f"{owner} got {name} of shape {column.shape}: it must be ({len(column)},), a number "
            "per step that says which one it was. EnsembleModel takes vectors."
        )
    whole = np.asarray(np.rint(flat[:, 0].astype(np.float64)), np.int64)
    wrong = (whole != flat[:, 0]) | (whole < 0)
    wrong = wrong if n is None else wrong | (whole >= n)
    if wrong.any():
        row = int(np.argmax(wrong))
        limit = "0, 1, 2, ..." if n is None else f"0 to {n - 1}"
        raise UpslopeError(
            f"{owner} got {name}[{row}] = {flat[row, 0]}: it must be a whole number, {limit}."
        )
    return whole


def whole_numbers(column: np.ndarray) -> bool:
    """Whether a column [N] or [N, 1] holds integers (by type), which number a choice."""
    return column.dtype.kind in "iub" and column.reshape(len(column), -1).shape[1] == 1


def action_space_of(actions: np.ndarray) -> spaces.Space:
    """The space of the actions seen: choices for integers, the box around them for numbers."""
    from gymnasium import spaces

    if whole_numbers(actions):
        return spaces.Discrete(int(actions.max()) + 1)
    low, high = actions.min(axis=0), actions.max(axis=0)
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), actions.shape[1:])
