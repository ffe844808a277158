"""A file is the old one or the new one, whatever happens."""

import json
import os

import pytest

from disk_faults import Killed, PowerLoss, failing_at, points_of
from upslope.core.checks import StorageError
from upslope.storage import atomic, atomic_folder


def test_a_kill_at_any_point_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    atomic.write_json(path, {"state": "old"})
    total = points_of(monkeypatch, lambda: atomic.write_json(path, {"state": "old"}))
    assert total >= 5
    seen = set()
    for at in range(total):
        with monkeypatch.context() as patch:
            PowerLoss(patch, at)
            with pytest.raises(Killed):
                atomic.write_json(path, {"state": "new"})
        seen.add(json.loads(path.read_text())["state"])
        atomic.write_json(path, {"state": "old"})
    assert seen == {"old", "new"}


def test_a_full_disk_is_an_error_and_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    atomic.write_json(path, 1)
    for at in range(4):  # all points before the rename
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "_interruption", failing_at(at))
            with pytest.raises(StorageError, match=r"No space left") as error:
                atomic.write_json(path, 2)
        assert error.value.exit_code == 5
        assert json.loads(path.read_text()) == 1
        assert os.listdir(tmp_path) == ["status.json"]


def test_nan_is_refused_rather_than_written_as_no_json(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        atomic.write_json(tmp_path / "x.json", float("nan"))


@pytest.fixture
def system_calls(monkeypatch):
    """The writes, syncs and renames the operating system really gets, in order."""
    calls = []
    real = {name: getattr(os, name) for name in ("write", "fsync", "replace")}

    def by_descriptor(name):
        def call(descriptor, *arguments):
            calls.append((name, os.readlink(f"/proc/self/fd/{descriptor}")))
            return real[name](descriptor, *arguments)

        return call

    def replace(source, target):
        calls.append(("rename", str(target)))
        return real["replace"](source, target)

    monkeypatch.setattr(os, "write", by_descriptor("write"))
    monkeypatch.setattr(os, "fsync", by_descriptor("fsync"))
    monkeypatch.setattr(os, "replace", replace)
    return calls


def test_bytes_are_synced_before_the_name_and_the_name_after(tmp_path, system_calls):
    atomic.write_bytes(tmp_path / "a", b"12345678")
    names = [name for name, _ in system_calls]
    assert names == ["write", "write", "fsync", "rename", "fsync"]
    assert system_calls[2][1].startswith(str(tmp_path / "a.tmp-"))
    assert system_calls[-1][1] == str(tmp_path)


def test_a_folder_is_synced_file_by_file_and_its_manifest_last(tmp_path, system_calls):
    atomic_folder.commit_folder(tmp_path / "c", {"a": b"12", "b": b"34"}, "test")
    order = [(name, os.path.basename(path)) for name, path in system_calls if name != "write"]
    temporary = os.path.basename(os.path.dirname(system_calls[0][1]))
    assert order == [
        ("fsync", "a"),
        ("fsync", "b"),
        ("fsync", atomic_folder.MANIFEST),
        ("fsync", temporary),
        ("rename", "c"),
        ("fsync", tmp_path.name),
    ]
