"""Steps from files: NPZ, CSV, Parquet, Minari data sets and the runs of this library."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from upslope.core.checks import UpslopeError, missing_extra
from upslope.core.records import Trajectories, Transitions
from upslope.models.rows import FIELDS, as_rows, checked_rows
from upslope.models.saved_replay import saved_replay

OWNER = "read_transitions"
MINARI = "minari:"
# What other libraries call the columns.
NAMES: Mapping[str, str] = {
    "observations": "observation",
    "obs": "observation",
    "state": "observation",
    "states": "observation",
    "actions": "action",
    "rewards": "reward",
    "next_observations": "next_observation",
    "next_obs": "next_observation",
    "next_state": "next_observation",
    "next_states": "next_observation",
    "terminals": "terminated",
    "terminal": "terminated",
    "terminations": "terminated",
    "timeouts": "truncated",
    "truncations": "truncated",
}
NUMBERED = re.compile(r"(?P<name>.+?)(?:[_.](?P<index>\d+)|\[(?P<bracket>\d+)\])$")


def read_transitions(source: str | Path | Trajectories | Transitions) -> Transitions:
    """The steps of a data set, checked: NumPy arrays, a row per step.

    Columns are `observation` [N, D] (or [N], numbers of states), `action`, `reward`,
    `next_observation`, `terminated` and `truncated`, or what Gymnasium's and D4RL's users call
    them. The ends may be missing: none. So may the successors: then rows are in the order of time,
    each leads to the next, and the last of an episode is left out. Nothing in a file is executed:
    arrays of objects are refused.

    Args:
      source: a path: `.npz`; `.csv` with a header, vectors in columns `observation_0`, ...;
        `.parquet` with such columns or with lists (needs `upslope[data]`); the folder of a run,
        whose replay buffer is read; `"minari:NAME"`, a Minari data set on this machine (needs
        `upslope[data]`). Or trajectories.

    Raises:
      UpslopeError: a file that is none of these; missing columns; wrong shapes or types; a NaN.
    """
    if isinstance(source, Trajectories):
        source = Transitions.of(source)
    if isinstance(source, Transitions):
        return checked_rows(OWNER, source)
    if isinstance(source, str) and source.startswith(MINARI):
        return checked_rows(OWNER, _minari(source.removeprefix(MINARI)))
    path = Path(source)
    if not path.exists():
        raise UpslopeError(
            f"{OWNER} got {str(source)!r}: there is no such file or folder. A Minari data set is "
            f"'{MINARI}NAME'."
        )
    if path.is_dir():
        if not (path / "checkpoints").is_dir():
            raise UpslopeError(f"{OWNER} got the folder {path}, which is no run: no checkpoints/.")
        return checked_rows(OWNER, saved_replay(path))
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UpslopeError(
            f"{OWNER} got {path.name!r}: it reads {', '.join(READERS)} and the folders of runs. "
            "Save other formats as one of these."
        )
    return checked_rows(OWNER, _transitions(path.name, reader(path)))


def _npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise UpslopeError(f"{OWNER} got {path.name}, one array: it must hold the columns.")
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, UpslopeError):
            raise
        raise UpslopeError(
            f"{OWNER} cannot read {path.name}: {str(error)[:160]} Arrays of objects are never "
            "loaded; save plain numbers with numpy.savez."
        ) from None


def _csv(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        lines = [line for line in reader if line]
    for number, line in enumerate(lines):
        if len(line) != len(header):
            raise UpslopeError(
                f"{OWNER} got {path.name}, row {number + 1} of which has {len(line)} values for "
                f"{len(header)} columns."
            )
    columns = zip(*lines, strict=True) if lines else [()] * len(header)
    return {
        name.strip(): _numbers(path.name, name.strip(), values)
        for name, values in zip(header, columns, strict=True)
    }


def _numbers(file: str, name: str, texts: tuple[str, ...]) -> np.ndarray:
    """A column of texts as integers, booleans or floats, as they are written."""
    words = {"true": 1.0, "false": 0.0}
    plain = [text.strip() for text in texts]
    try:
        if all(re.fullmatch(r"[+-]?\d+", text) for text in plain):
            return np.array([int(text) for text in plain], np.int64)
        return np.array([words.get(text.lower()) or _float(text) for text in plain])
    except ValueError:
        row = next(i for i, text in enumerate(plain) if not _is_number(text))
        raise UpslopeError(
            f"{OWNER} got {file}, whose column {name!r} has {plain[row]!r} in row {row + 1}: it "
            "must be a number."
        ) from None


def _float(text: str) -> float:
    return 0.0 if text.lower() == "false" else float(text)


def _is_number(text: str) -> bool:
    try:
        _float("1" if text.lower() == "true" else text)
    except ValueError:
        return False
    return True


def _parquet(path: Path) -> dict[str, np.ndarray]:
    try:
        import pyarrow  # pyright: ignore[reportMissingImports]
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise missing_extra("Reading Parquet files", "pyarrow", "data") from None
    try:
        table: Any = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UpslopeError(f"{OWNER} cannot read {path.name}: {str(error)[:160]}") from None
    columns: dict[str, np.ndarray] = {}
    for name in table.column_names:
        column = table.column(name)
        if column.null_count:
            raise UpslopeError(
                f"{OWNER} got {path.name}, whose column {name!r} misses {column.null_count:,} "
                "values: leave such rows out."
            )
        values = column.to_pylist() if pyarrow.types.is_nested(column.type) else column.to_numpy()
        try:
            columns[name] = np.asarray(values)
        except ValueError:
            raise UpslopeError(
                f"{OWNER} got {path.name}, whose column {name!r} holds lists of different lengths."
            ) from None
    return columns


READERS: Mapping[str, Callable[[Path], dict[str, np.ndarray]]] = {
    ".npz": _npz,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _transitions(file: str, columns: dict[str, np.ndarray]) -> Transitions:
    """Columns by their names; numbered ones are joined."""
    joined: dict[str, dict[int, np.ndarray]] = {}
    whole: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        match = NUMBERED.match(name)
        base = match["name"] if match else name
        base = NAMES.get(base.lower(), base.lower())
        if base not in FIELDS:
            continue
        if match:
            index = int(match["index"] or match["bracket"])
            joined.setdefault(base, {})[index] = column
        else:
            whole[base] = column
    for base, parts in joined.items():
        if sorted(parts) != list(range(len(parts))):
            raise UpslopeError(
                f"{OWNER} got {file} with the columns {sorted(parts)} of {base}: they must be "
                "numbered 0, 1, 2, ... without a gap."
            )
        whole[base] = np.stack([parts[i] for i in range(len(parts))], axis=1)
    missing = {"observation", "action", "reward"} - whole.keys()
    if missing:
        found = ", ".join(sorted(columns)) or "none"
        raise UpslopeError(
            f"{OWNER} got {file} without {', '.join(sorted(missing))}. Its columns: {found}."
        )
    n_rows = len(whole["reward"])
    for name in ("terminated", "truncated"):
        whole.setdefault(name, np.zeros(n_rows, bool))
    if "next_observation" not in whole:
        whole = _with_successors(whole)
    return as_rows({name: whole[name] for name in FIELDS})


def _with_successors(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows that lead to the next one, with what is observed there."""
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        return {**columns, "next_observation": columns["observation"]}  # refused by its lengths
    ended = columns["terminated"].astype(bool) | columns["truncated"].astype(bool)
    kept = np.flatnonzero(~ended[:-1])
    found = {name: column[kept] for name, column in columns.items()}
    found["next_observation"] = columns["observation"][kept + 1]
    return found


def _minari(name: str) -> Transitions:
    try:
        import minari  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise missing_extra(f"The data set {MINARI}{name}", "minari", "data") from None
    try:
        data: Any = minari.load_dataset(name)
    except Exception as error:
        raise UpslopeError(
            f"{OWNER} cannot load the Minari data set {name!r}: {str(error)[:160]} Fetch it first "
            f"with: minari download {name}"
        ) from None
    parts: list[tuple[np.ndarray, ...]] = []
    for episode in data.iterate_episodes():
        if isinstance(episode.observations, dict | tuple):
            raise UpslopeError(
                f"{OWNER} got the Minari data set {name!r}, whose observations have several parts: "
                "only those that are one array can be read as rows."
            )
        seen = np.asarray(episode.observations)
        columns = (episode.actions, episode.rewards, seen[1:])
        ends = (episode.terminations, episode.truncations)
        parts.append(tuple(np.asarray(x) for x in (seen[:-1], *columns, *ends)))
    whole = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return as_rows(dict(zip(FIELDS, whole, strict=True)))
