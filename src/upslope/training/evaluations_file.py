"""`evaluations.npz`: learning curves under the names that rl-zoo and rliable scripts read."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from upslope.core import atomic
from upslope.core.checks import StorageError


class Evaluations(NamedTuple):
    """Held-out episodes at K moments: S seeds, E episodes each."""

    timesteps: np.ndarray  # [K] environment steps of one seed
    results: np.ndarray  # [S, K, E] undiscounted returns
    ep_lengths: np.ndarray  # [S, K, E] environment steps

    @classmethod
    def none(cls) -> Evaluations:
        """No moments yet."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 0, 0)), np.zeros((0, 0, 0), np.int64))


def write_evaluations(path: Path, evaluations: Evaluations) -> None:
    """Replaces the file.

    It holds `timesteps` [K], `results` and `ep_lengths` [K, S * E] (episodes of all seeds in one
    row, seed 0's first: what `rl_zoo3` writes for one seed and its plot scripts average over), and
    `results_by_seed`, `ep_lengths_by_seed` [S, K, E], from which rliable's score matrices
    [runs, tasks] and [runs, tasks, K] are means over the last axis.

    Raises:
      StorageError: when shapes disagree or the file cannot be written.
    """
    steps = np.asarray(evaluations.timesteps, np.int64)
    results = np.asarray(evaluations.results, np.float64)
    lengths = np.asarray(evaluations.ep_lengths, np.int64)
    if results.ndim != 3 or results.shape != lengths.shape or steps.shape != results.shape[1:2]:
        raise StorageError(
            f"Evaluations have shapes timesteps {steps.shape}, results {results.shape}, "
            f"ep_lengths {lengths.shape}: they must be [K], [S, K, E], [S, K, E]."
        )
    file = io.BytesIO()
    np.savez(
        file,
        timesteps=steps,
        results=_fold(results),
        ep_lengths=_fold(lengths),
        results_by_seed=results,
        ep_lengths_by_seed=lengths,
    )
    atomic.write_bytes(path, file.getvalue())


def _fold(values: np.ndarray) -> np.ndarray:
    seeds, moments, episodes = values.shape
    return values.transpose(1, 0, 2).reshape(moments, seeds * episodes)


def read_evaluations(path: Path) -> Evaluations:
    """The evaluations in a file; none if there is no file.

    Raises:
      StorageError: when it is damaged or holds anything but numbers.
    """
    path = Path(path)
    if not path.exists():
        return Evaluations.none()
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            return Evaluations(
                file["timesteps"], file["results_by_seed"], file["ep_lengths_by_seed"]
            )
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise StorageError(f"{path} cannot be read: {error}.") from error


def truncate_evaluations(path: Path, step: int) -> None:
    """Drops the moments after `step`, as a run that goes on from there must."""
    if Path(path).exists():
        steps, results, lengths = read_evaluations(path)
        kept = steps <= step
        write_evaluations(path, Evaluations(steps[kept], results[:, kept], lengths[:, kept]))
