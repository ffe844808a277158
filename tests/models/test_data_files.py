"""Data sets of one's own: what is in the file is what comes out, and what is wrong is said."""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from model_data import as_trajectories, rows

from upslope.core.checks import UpslopeError
from upslope.models import read_transitions
from upslope.models.rows import FIELDS
from upslope.models.saved_replay import saved_replay
from upslope.storage import checkpoint


class _Rows(NamedTuple):
    observation: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    marks: np.ndarray


class _Buffer(NamedTuple):
    rows: _Rows
    written: np.ndarray


RNG = np.random.default_rng(0)
SEEN = RNG.normal(size=(13, 3))
# Two episodes of six steps: one terminates, the other is truncated.
DATA = rows(
    np.r_[SEEN[:6], SEEN[6:12]],
    RNG.integers(0, 2, 12),
    RNG.normal(size=12),
    np.r_[SEEN[1:7], SEEN[7:13]],
    np.arange(12) == 5,
    np.arange(12) == 11,
)


def columns(data=DATA, without=()):
    """The columns of a file."""
    return {name: np.asarray(getattr(data, name)) for name in FIELDS if name not in without}


def check_same(found, wanted=DATA):
    """All columns, and integers stay integers."""
    for name in FIELDS:
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-6)
    assert np.asarray(found.action).dtype.kind == "i"
    assert found.weight.sum() == len(wanted.reward)


def write_csv(path, table):
    """Vectors become numbered columns."""
    flat = {}
    for name, column in table.items():
        if column.ndim == 1:
            flat[name] = column
        else:
            flat |= {f"{name}_{i}": column[:, i] for i in range(column.shape[1])}
    lines = [",".join(flat)] + [
        ",".join(str(v) for v in row) for row in zip(*flat.values(), strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")


def test_npz_and_csv_and_trajectories(tmp_path):
    np.savez(tmp_path / "a.npz", **columns())
    check_same(read_transitions(tmp_path / "a.npz"))
    write_csv(tmp_path / "a.csv", columns())
    check_same(read_transitions(str(tmp_path / "a.csv")))
    check_same(read_transitions(as_trajectories(DATA)))


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = {name: list(column) for name, column in columns().items()}
    parquet.write_table(pyarrow.table(table), tmp_path / "a.parquet")
    check_same(read_transitions(tmp_path / "a.parquet"))
    table["reward"][3] = None
    parquet.write_table(pyarrow.table(table), tmp_path / "b.parquet")
    with pytest.raises(UpslopeError, match="misses 1 values"):
        read_transitions(tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"no table")
    with pytest.raises(UpslopeError, match=r"cannot read c\.parquet"):
        read_transitions(tmp_path / "c.parquet")


@pytest.mark.parametrize(("module", "source"), [("pyarrow", "a.parquet"), ("minari", "minari:a")])
def test_what_is_not_installed_is_named(module, source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "a.parquet").touch()
    path = source if source.startswith("minari") else tmp_path / source
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[data\]'"):
        read_transitions(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of metadata that is not given
def test_a_minari_data_set(tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    minari = pytest.importorskip("minari")
    from gymnasium.spaces import Box, Discrete
    from minari.data_collector import EpisodeBuffer

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    buffers = []
    for number, part in enumerate((slice(0, 6), slice(6, 12))):
        last = np.asarray(DATA.next_observation)[part][-1:]
        buffers.append(
            EpisodeBuffer(
                id=number,
                observations=np.r_[DATA.observation[part], last].astype(np.float32),
                actions=DATA.action[part],
                rewards=DATA.reward[part],
                terminations=DATA.terminated[part],
                truncations=DATA.truncated[part],
            )
        )
    minari.create_dataset_from_buffers(
        "own/rows-v0",
        buffers,
        observation_space=Box(-np.inf, np.inf, (3,), np.float32),
        action_space=Discrete(2),
    )
    check_same(read_transitions("minari:own/rows-v0"))
    with pytest.raises(UpslopeError, match="minari download own/other-v0"):
        read_transitions("minari:own/other-v0")


def test_the_names_of_other_libraries_and_missing_successors(tmp_path):
    d4rl = {
        "observations": DATA.observation,
        "actions": DATA.action,
        "rewards": DATA.reward,
        "terminals": DATA.terminated,
        "timeouts": DATA.truncated,
    }
    np.savez(tmp_path / "a.npz", **d4rl)
    found = read_transitions(tmp_path / "a.npz")
    kept = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]  # the last of an episode leads nowhere that is known
    np.testing.assert_array_equal(found.observation, DATA.observation[kept])
    np.testing.assert_array_equal(found.next_observation, DATA.next_observation[kept])


def test_nothing_in_a_file_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path(tmp_path / "exploded").touch, ())

    objects = np.empty(12, object)
    objects[:] = Bomb()
    np.savez(tmp_path / "a.npz", **{**columns(), "reward": objects})
    with pytest.raises(UpslopeError, match="never loaded"):
        read_transitions(tmp_path / "a.npz")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"reward": np.full(12, np.nan)}, r"reward\[0\] = nan"),
        ({"reward": np.zeros((12, 2))}, "one value per step"),
        ({"next_observation": np.zeros((12, 2))}, r"shape \(3,\) and next observations"),
        ({"observation": np.zeros((11, 3))}, "11 rows of observation and 12"),
        ({"reward": np.array(["a"] * 12)}, "must be numbers"),
    ],
)
def test_wrong_columns_are_named(change, match, tmp_path):
    np.savez(tmp_path / "a.npz", **{**columns(), **change})
    with pytest.raises(UpslopeError, match=match):
        read_transitions(tmp_path / "a.npz")


def test_files_that_are_no_data_sets(tmp_path):
    np.savez(tmp_path / "a.npz", **columns(without=("action",)))
    with pytest.raises(UpslopeError, match=r"without action\. Its columns: next_observation"):
        read_transitions(tmp_path / "a.npz")
    (tmp_path / "a.csv").write_text("observation,action,reward\n1,2\n")
    with pytest.raises(UpslopeError, match="row 1 of which has 2 values for 3"):
        read_transitions(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("observation,action,reward\n1,2,3\n1,2,high\n")
    with pytest.raises(UpslopeError, match="'reward' has 'high' in row 2"):
        read_transitions(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text("observation_0,observation_2,action,reward\n1,2,3,4\n")
    with pytest.raises(UpslopeError, match="without a gap"):
        read_transitions(tmp_path / "c.csv")
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(UpslopeError, match=r"reads .npz, .csv, .parquet"):
        read_transitions(tmp_path / "a.xlsx")
    (tmp_path / "b.npz").write_bytes(b"PK")
    with pytest.raises(UpslopeError, match=r"cannot read b.npz"):
        read_transitions(tmp_path / "b.npz")
    for missing in ("none.csv", "folder"):
        with pytest.raises(UpslopeError, match="no such file"):
            read_transitions(tmp_path / missing)
    with pytest.raises(UpslopeError, match="no run"):
        read_transitions(tmp_path)


def test_the_replay_buffer_of_a_run(tmp_path):
    """A ring of five slots: one stream has gone round, the other ended an episode."""
    first = np.array([10.0, 11, 7, 8, 9])  # rows 3 and 4 of it were overwritten by 8 and 9: newest
    second = np.array([0.0, 1, 2, 3, 0])
    seen = np.stack([first, second], axis=1)[None, :, :, None]
    marks = np.array([[1, 1], [0, 1 | 2], [1, 0], [1, 1], [1, 0]], np.uint8)[None]
    rows_kept = _Rows(seen, np.zeros((1, 5, 2), np.int32), seen[..., 0] * 10, marks)
    tree = {"carry": (_Buffer(rows_kept, np.array([[11, 4]])),)}
    checkpoint.save_checkpoint(tmp_path / "checkpoints", 7, tree, {})
    found = saved_replay(tmp_path)
    # Stream 0 holds rows 7 to 10 in the slots 2, 3, 4, 0, and what is seen after row 10 in slot 1.
    np.testing.assert_array_equal(found.observation[:, 0], [7, 8, 9, 10, 0, 1, 3])
    np.testing.assert_array_equal(found.next_observation[:, 0], [8, 9, 10, 11, 1, 2, 0])
    np.testing.assert_array_equal(found.terminated, [0, 0, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(found.reward[:4], [70, 80, 90, 100])
    checkpoint.save_checkpoint(tmp_path / "other" / "checkpoints", 7, {"x": np.zeros(2)}, {})
    with pytest.raises(UpslopeError, match="no saved replay buffer"):
        read_transitions(tmp_path / "other")
