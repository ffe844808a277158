"""`evaluations.npz`: learning curves under the names that rl-zoo and rliable scripts read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from upslope.core.checks import StorageError
from upslope.storage import atomic
from upslope.storage.quarantine import DamagedFile


class Evaluations(NamedTuple):
    """Held-out episodes at K moments: S seeds, E episodes each at most.

    Where a moment has fewer, the rest of its row is padding: a return of NaN and a length of 0.
    """

    timesteps: np.ndarray  # [K] environment steps of one seed
    results: np.ndarray  # [S, K, E] undiscounted returns
    ep_lengths: np.ndarray  # [S, K, E] environment steps
    seed_steps: np.ndarray | None = None  # [S, K] environment steps of each seed; None: timesteps

    @classmethod
    def none(cls) -> Evaluations:
        """No moments yet."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 0, 0)), np.zeros((0, 0, 0), np.int64))

    @classmethod
    def of(
        cls,
        returns: Sequence[np.ndarray],
        lengths: Sequence[np.ndarray],
        steps: Sequence[np.ndarray],
    ) -> Evaluations:
        """K moments, of E_k episodes each.

        Args:
          returns: K arrays [S, E_k].
          lengths: likewise.
          steps: K arrays [S], environment steps of each seed.
        """
        most = max(one.shape[1] for one in returns)
        return cls(
            np.array([int(one.max()) for one in steps]),
            np.stack([padded(np.asarray(one, float), most, np.nan) for one in returns], 1),
            np.stack([padded(one, most, 0) for one in lengths], 1),
            np.stack(steps, 1),
        )

    def moment(self, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Steps [S], returns [S, E_k] and lengths [S, E_k] of one moment, without padding."""
        steps = self.seed_steps
        seeds = np.full(len(self.results), self.timesteps[k]) if steps is None else steps[:, k]
        played = ~np.isnan(self.results[:, k]).all(axis=0)
        return seeds, self.results[:, k, played], self.ep_lengths[:, k, played]


def padded(values: np.ndarray, count: int, blank: float) -> np.ndarray:
    """Episodes [S, E] with blank ones after them, [S, count]."""
    return np.pad(values, ((0, 0), (0, count - values.shape[1])), constant_values=blank)


def write_evaluations(path: Path, evaluations: Evaluations) -> None:
    """Replaces the file.

    It holds `timesteps` [K], `results` and `ep_lengths` [K, S * E] (episodes of all seeds in one
    row, seed 0's first: what `rl_zoo3` writes for one seed and its plot scripts average over), and
    `results_by_seed`, `ep_lengths_by_seed` [S, K, E], from which rliable's score matrices
    [runs, tasks] and [runs, tasks, K] are means over the last axis; and `seed_steps` [S, K].

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
    seed_steps = evaluations.seed_steps
    if seed_steps is None:
        seed_steps = np.broadcast_to(steps, results.shape[:2])
    file = io.BytesIO()
    np.savez(
        file,
        seed_steps=np.asarray(seed_steps, np.int64),
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
      DamagedFile: when it is cut short, altered, or holds anything but numbers.
      StorageError: when it may not be read.
    """
    path = Path(path)
    if not path.exists():
        return Evaluations.none()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            found = Evaluations(
                file["timesteps"],
                file["results_by_seed"],
                file["ep_lengths_by_seed"],
                # Files of earlier versions have one number for all seeds.
                file.get("seed_steps"),
            )
    except Exception:  # a stranger's archive can fail in any way, and numpy's advice is unsafe
        raise DamagedFile(
            f"{path} cannot be read: it is not a whole archive of the arrays of evaluations."
        ) from None
    _check_arrays(path, found)
    return found


def _check_arrays(path: Path, found: Evaluations) -> None:
    steps, results, lengths, seed_steps = found
    if seed_steps is None:
        seed_steps = np.broadcast_to(steps, results.shape[:2]) if results.ndim == 3 else steps
    shapes = [steps.shape, results.shape, lengths.shape]
    if (
        any(array.dtype.kind not in "iuf" for array in (steps, results, lengths, seed_steps))
        or results.ndim != 3
        or results.shape != lengths.shape
        or steps.shape != results.shape[1:2]
        or seed_steps.shape != results.shape[:2]
    ):
        raise DamagedFile(
            f"{path} cannot be read: its arrays have shapes {shapes}; they must be numbers "
            "[K], [S, K, E], [S, K, E]."
        )


def truncate_evaluations(path: Path, step: int) -> None:
    """Drops the moments after `step`, as a run that goes on from there must."""
    if Path(path).exists():
        steps, results, lengths, seed_steps = read_evaluations(path)
        kept = steps <= step
        if seed_steps is not None:
            seed_steps = seed_steps[:, kept]
        write_evaluations(
            path, Evaluations(steps[kept], results[:, kept], lengths[:, kept], seed_steps)
        )
