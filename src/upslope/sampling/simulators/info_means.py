"""Numbers that simulators put in `info`, averaged over each episode.

Relative imports of nothing: this module also runs in simulator processes, which never import JAX.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, SupportsFloat, cast

import numpy as np

# Numbers of an episode: an environment that names them by what it meets could have any number.
MOST_NAMES = 64
# What Gymnasium itself puts there: the return and the length again, wall time, and the parts of
# vector environments.
LEFT_OUT = frozenset({"episode", "final_info", "final_obs", "final_observation"})


class EpisodeMeans(NamedTuple):
    """An episode that has ended."""

    row: int  # of the simulator
    means: dict[str, float]  # over the steps that had the number


class InfoMeans:
    """Sums of what M simulators put in `info`, from the beginning of each one's episode.

    Args:
      count: M.
    """

    def __init__(self, count: int):
        self._sums: list[dict[str, list[float]]] = [{} for _ in range(count)]
        self._ended: list[EpisodeMeans] = []

    def begin(self, row: int) -> None:
        """An episode begins: what came before it belongs to none that ended."""
        if self._sums[row]:
            self._sums[row] = {}

    def add(self, row: int, info: Mapping[Any, Any]) -> None:
        """A step of an episode."""
        if info:
            self.add_numbers(row, numbers(info))

    def add_numbers(self, row: int, found: Iterator[tuple[str, float]]) -> None:
        """Likewise, of numbers by name."""
        sums = self._sums[row]
        for name, value in found:
            entry = sums.get(name)
            if entry is not None:
                entry[0] += value
                entry[1] += 1
            elif len(sums) < MOST_NAMES:
                sums[name] = [value, 1]

    def end(self, row: int) -> None:
        """The episode has ended with the step that was added last."""
        sums = self._sums[row]
        if sums:
            means = {name: total / count for name, (total, count) in sums.items()}
            self._ended.append(EpisodeMeans(row, means))
            self._sums[row] = {}

    def take(self) -> list[EpisodeMeans]:
        """The episodes that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended


def numbers(info: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers and switches of a dictionary, those of dictionaries in it as `outer/inner`.

    Texts, arrays of several numbers and whatever else there is are passed over.
    """
    for name, value in info.items():
        kind = type(value)
        if kind is float or kind is int or kind is bool or isinstance(value, np.generic):
            number = number_of(value)
        elif isinstance(value, Mapping):
            if name not in LEFT_OUT:
                yield from numbers(value, f"{prefix}{name}/")
            continue
        elif isinstance(value, np.ndarray) and value.size == 1:
            number = number_of(value.reshape(-1)[0])
        else:
            continue
        if number is not None:
            yield f"{prefix}{name}", number


def number_of(value: object) -> float | None:
    """A float; None of what is none: a text of NumPy's, a complex or a far too large number."""
    try:
        return float(cast(SupportsFloat, value))
    except (TypeError, ValueError, OverflowError):
        return None


def numbers_of_row(infos: Mapping[Any, Any], row: int, prefix: str = "") -> Iterator[Any]:
    """The numbers of one environment in the `infos` of a vector environment.

    Each entry is an array with a value per environment, and `_name` says which of them have one.
    """
    for name, value in infos.items():
        if name in LEFT_OUT or str(name).startswith("_"):
            continue
        present = infos.get(f"_{name}")
        if present is not None and not np.asarray(present)[row]:
            continue
        if isinstance(value, Mapping):
            yield from numbers_of_row(value, row, f"{prefix}{name}/")
        elif isinstance(value, np.ndarray) and value.ndim >= 1 and row < len(value):
            single = value[row]
            yield from numbers(single if isinstance(single, Mapping) else {name: single}, prefix)
