"""The steps that a run's replay buffer holds, read from its checkpoint."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from upslope.core.checks import UpslopeError
from upslope.core.records import Transitions
from upslope.models.rows import FIELDS as COLUMNS
from upslope.models.rows import as_rows
from upslope.sampling.replay import STEP, TERMINATED, TRUNCATED
from upslope.storage.checkpoint import newest_arrays

# On JAX environments the rows have names; on simulators they are numbered in the same order.
FIELDS = ("observation", "action", "reward", "marks")
NAMED = re.compile(r"(?P<buffer>.*)\.rows\.marks$")
NUMBERED = re.compile(r"(?P<buffer>.*)replay\.row\.3(?P<end>.*)$")


def saved_replay(run: Path) -> Transitions:
    """All steps in the replay buffers of a run's seeds, one stream after the other.

    Args:
      run: its folder.

    Raises:
      UpslopeError: its newest checkpoint has no replay buffer, or one whose observations are no
        single array.
    """
    arrays = newest_arrays(run / "checkpoints")
    columns, written = _ring(run, arrays)
    observation, action, reward, marks = (columns[field] for field in FIELDS)
    size = marks.shape[1]
    found: list[tuple[np.ndarray, ...]] = []
    for seed, stream in np.ndindex(written.shape):
        newest = int(written[seed, stream])
        slots = np.arange(max(newest - (size - 1), 0), newest) % size
        slots = slots[(marks[seed, slots, stream] & STEP) != 0]
        mark, after = marks[seed, slots, stream], (slots + 1) % size
        found.append(
            (
                observation[seed, slots, stream],
                action[seed, slots, stream],
                reward[seed, slots, stream],
                observation[seed, after, stream],
                (mark & TERMINATED) != 0,
                (mark & TRUNCATED) != 0,
            )
        )
    whole = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    return as_rows(dict(zip(COLUMNS, whole, strict=True)))


def _ring(run: Path, arrays: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The rows [S, R, N, ...] by field, and how many were written to each stream [S, N]."""
    for name in arrays:
        if match := NAMED.match(name):
            buffer = match["buffer"]
            names = {field: f"{buffer}.rows.{field}" for field in FIELDS}
            written = f"{buffer}.written"
        elif match := NUMBERED.match(name):
            start, end = match["buffer"], match["end"]
            names = {f: f"{start}replay.row.{i}{end}" for i, f in enumerate(FIELDS)}
            written = f"{start}replay.written{end}"
        else:
            continue
        marks = arrays.get(names["marks"], np.zeros(0))
        if marks.dtype != np.uint8 or not {*names.values(), written} <= arrays.keys():
            raise UpslopeError(
                f"{run} replays observations or actions of several parts: only those that are one "
                "array can be read as rows."
            )
        return {field: arrays[key] for field, key in names.items()}, arrays[written]
    raise UpslopeError(
        f"{run} has no saved replay buffer: only methods that replay have one (dqn, for instance), "
        "and runs save it up to 256 MiB or with save_replay=True."
    )
