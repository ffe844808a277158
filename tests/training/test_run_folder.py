"""One folder a run, one process a folder, and everything in it whole."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from disk_faults import Killed, PowerLoss, failing_at
from upslope.core.checks import StorageError
from upslope.storage import atomic, atomic_folder
from upslope.storage import lock as run_lock
from upslope.storage.evaluations_file import (
    Evaluations,
    read_evaluations,
    truncate_evaluations,
    write_evaluations,
)
from upslope.storage.lock import RunLock
from upslope.storage.metrics_file import MetricsFile
from upslope.storage.quarantine import DamagedFile
from upslope.training.run_folder import RunFolder
from upslope.training.slug import inside, slug

HOSTILE = [
    "../../etc/passwd",
    "a/b",
    "ALE/Pong-v5",
    "con",
    "NUL.txt",
    "com1",
    "🚀",
    "Ünïcode",
    "x" * 300,
    "a\nb",
    "<script>alert(1)</script>",
    "..",
    ".",
    "",
    " ",
    "-rf",
    ".hidden",
    "a\0b",
    "C:\\windows",
    "a%2e%2e",
    "$(rm -rf)",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_becomes_one_safe_folder_name(tmp_path, name):
    safe = slug(name)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,81}", safe)
    assert ".." not in safe
    assert safe.lower().split(".")[0] not in ("con", "nul", "com1")
    with RunFolder.create(tmp_path, name, name) as run:
        assert run.path.parent.parent == tmp_path
        assert run.path.resolve().is_relative_to(tmp_path)
        assert run.environment()["names"] == {"environment": name, "method": name}


def test_names_stay_readable():
    assert slug("ALE/Pong-v5") == "ALE-Pong-v5"
    assert slug("CartPole-v1") == "CartPole-v1"
    assert slug("gymnasium:LunarLander-v3") == "gymnasium-LunarLander-v3"


@pytest.mark.parametrize("parts", [("..",), ("a", "../../b"), ("/etc",), ("link", "x")])
def test_no_join_leaves_the_folder(tmp_path, parts):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="leads out of"):
        inside(root, *parts)
    assert inside(root, "a", "b") == root / "a" / "b"


def test_a_run_has_its_files_from_the_start(tmp_path):
    with RunFolder.create(tmp_path, "CartPole-v1", "ppo") as run:
        assert run.path.parent.name == "CartPole-v1"
        assert re.fullmatch(r"ppo-\d{8}T\d{6}Z-[0-9a-f]{6}", run.path.name)
        assert run.status()["state"] == "running"
        assert (run.path / "command.txt").read_text().strip()
        run.record_provenance()
        about = run.environment()
        assert about["packages"]["jax"]
        assert about["jax_flags"]["jax_threefry_partitionable"] in (True, False)
        assert about["names"]["method"] == "ppo"
    assert not (run.path / "LOCK").exists()


def test_environment_variables_are_never_written(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "s3cr3t-t0k3n")
    with RunFolder.create(tmp_path, "e", "m") as run:
        run.record_provenance()
        for path in run.path.iterdir():
            assert b"s3cr3t-t0k3n" not in path.read_bytes()


def test_runs_do_not_share_a_folder(tmp_path):
    paths = set()
    for _ in range(5):
        with RunFolder.create(tmp_path, "e", "m") as run:
            paths.add(run.path)
    assert len(paths) == 5


def test_a_used_folder_is_refused_with_the_remedy(tmp_path):
    with RunFolder.create(None, "e", "m", path=tmp_path / "mine") as run:
        assert run.path == tmp_path / "mine"
    with pytest.raises(StorageError, match=r"not empty.*--out.*upslope resume"):
        RunFolder.create(None, "e", "m", path=tmp_path / "mine")


def test_a_folder_that_cannot_be_written_is_an_error_at_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"Could not create.*--out") as error:
        RunFolder.create(tmp_path / "file", "e", "m")
    assert error.value.exit_code == 5
    monkeypatch.setattr(atomic, "_interruption", failing_at(0, number=30))
    with pytest.raises(StorageError, match="Read-only file system"):
        RunFolder.create(tmp_path / "runs", "e", "m")


def test_what_is_no_run_folder_is_said_so(tmp_path):
    with pytest.raises(StorageError, match="not a run folder"):
        RunFolder.open(tmp_path)


def test_status_is_replaced_whole(tmp_path, monkeypatch):
    with RunFolder.create(tmp_path, "e", "m") as run:
        run.set_status("running", step=100)
        for at in range(20):
            with monkeypatch.context() as patch:
                PowerLoss(patch, at)
                try:
                    run.set_status("failed", exit_code=4, message="NaN")
                except Killed:
                    assert run.status()["state"] in ("running", "failed")
        status = run.status()
        assert (status["state"], status["exit_code"], status["step"]) == ("failed", 4, 100)
        with pytest.raises(StorageError, match="one of"):
            run.set_status("finished")
        run.write_diagnosis({"loss": float("nan"), "step": 3})
        assert json.loads(run.file("diagnosis.json").read_text()) == {"loss": None, "step": 3}


def litter(folder):
    """What writers leave that were killed at their worst moments."""
    tag = "0123456789abcdef"
    names = [f"policy.old-{tag}.tmp-{tag}", f"best.tmp-{tag}", f"policy.tmp-{tag}"]
    for name in [*names, f"checkpoints/step_000000000009.tmp-{tag}"]:
        (folder / name).mkdir(parents=True)
        (folder / name / "state.json").write_text("{")
    (folder / f"status.json.tmp-{tag}").write_text("{")


def test_litter_is_cleaned_when_a_run_is_opened_and_when_it_ends(tmp_path):
    with RunFolder.create(None, "e", "m", path=tmp_path / "run") as run:
        litter(run.path)
        (run.path / "mine.tmp-of-another-kind").write_text("kept")
    assert sorted(path.name for path in run.path.rglob("*.tmp-*")) == ["mine.tmp-of-another-kind"]
    litter(run.path)
    reader = RunFolder.open(run.path, lock=False)  # who only reads removes nothing
    assert len(list(reader.path.rglob("*.tmp-*"))) == 6
    with RunFolder.open(run.path):
        assert len(list(run.path.rglob("*.tmp-*"))) == 1


def test_a_policy_that_was_set_aside_gets_its_name_back(tmp_path):
    with RunFolder.create(None, "e", "m", path=tmp_path / "run") as run:
        atomic_folder.commit_folder(run.policy, {"a": b"1"}, "checkpoint")
        run.policy.rename(run.path / "policy.old-0123456789abcdef")
    assert atomic_folder.read_folder(run.policy, "checkpoint") == {"a": b"1"}


# --- the lock

HOLD = """
import sys, time
from pathlib import Path
from upslope.storage.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match=rf"in use by process {first.pid}\b.*--out"):
            RunLock(tmp_path)
        first.kill()
    assert (tmp_path / "LOCK").exists()  # nobody tidied up
    lock = RunLock(tmp_path)
    assert json.loads((tmp_path / "LOCK").read_text())["pid"] == os.getpid()
    lock.release()
    lock.release()
    assert not (tmp_path / "LOCK").exists()


def test_one_process_holds_a_folder_once(tmp_path):
    lock = RunLock(tmp_path)
    with pytest.raises(StorageError, match="in use"):
        RunLock(tmp_path)
    lock.release()
    RunLock(tmp_path).release()


def owner(path, **changes):
    path.touch()
    text = run_lock._me() | {"inode": path.stat().st_ino} | changes
    path.write_text(json.dumps(text))


@pytest.mark.parametrize(
    ("changes", "free"),
    [
        ({}, False),
        ({"pid": 2**22 + 1}, True),
        ({"boot": "an earlier one"}, True),
        ({"started": "1"}, True),
        ({"host": "elsewhere"}, False),
        ({"host": "elsewhere", "inode": -1}, True),
    ],
)
def test_without_locks_of_the_kernel_the_text_decides(tmp_path, monkeypatch, changes, free):
    monkeypatch.setattr(run_lock, "_flock", lambda descriptor: None)
    owner(tmp_path / "LOCK", **changes)
    if free:
        RunLock(tmp_path).release()
    else:
        with pytest.raises(StorageError, match="in use"):
            RunLock(tmp_path)


def test_an_owner_on_another_host_is_respected(tmp_path):
    owner(tmp_path / "LOCK", host="elsewhere")
    with pytest.raises(StorageError, match=r"elsewhere.*delete"):
        RunLock(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "\0\0", "[" * 3000])
def test_a_torn_lock_file_holds_nothing(tmp_path, text):
    (tmp_path / "LOCK").write_text(text)
    RunLock(tmp_path).release()


def test_a_lost_text_does_not_free_a_folder_in_use(tmp_path):
    lock = RunLock(tmp_path)
    (tmp_path / "LOCK").write_text("")
    with pytest.raises(StorageError, match="in use"):
        RunLock(tmp_path)
    lock.release()


def test_a_copied_run_goes_on(tmp_path):
    with RunFolder.create(None, "e", "m", path=tmp_path / "a") as run:
        shutil.copytree(run.path, tmp_path / "b")
        with RunFolder.open(tmp_path / "b") as copy:
            assert copy.status()["state"] == "running"
        with RunFolder.open(run.path, lock=False) as reader:
            assert reader.status()["state"] == "running"


# --- metrics and evaluations


def test_rows_are_appended_and_dropped_past_the_checkpoint(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    for step in range(5):
        metrics.append(step, {"loss": float("nan") if step == 1 else step / 2, "seeds": [1, 2]})
    metrics.truncate_after(2)
    metrics.append(3, {"loss": np.float32(9.0)})
    metrics.close()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert [row["loss"] for row in rows] == [0, None, 1.0, 9.0]
    assert rows == metrics.rows()


def test_a_torn_row_is_dropped_and_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo')
    metrics = MetricsFile(path)
    assert [row["step"] for row in metrics.rows()] == [1]
    metrics.append(3, {})
    assert [row["step"] for row in metrics.rows()] == [1, 3]
    metrics.truncate_after(3)
    assert path.read_text() == '{"step": 1}\n{"step": 3}\n'


def test_a_full_disk_while_appending_is_an_error(tmp_path, monkeypatch):
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    metrics.append(1, {})
    monkeypatch.setattr(atomic, "_interruption", failing_at(0))
    with pytest.raises(StorageError, match="No space"):
        metrics.append(2, {})
    metrics.close()


def evaluations():
    rng = np.random.default_rng(0)
    results = rng.normal(size=(2, 3, 4))
    lengths, own = rng.integers(1, 9, size=(2, 3, 4)), np.array([[10, 20, 30], [9, 19, 29]])
    return Evaluations(np.array([10, 20, 30]), results, lengths, own)


def test_each_seeds_own_steps_come_back(tmp_path):
    path = tmp_path / "evaluations.npz"
    made = Evaluations(
        np.array([12, 24]),
        np.zeros((2, 2, 3)),
        np.ones((2, 2, 3), int),
        np.array([[10, 20], [12, 24]]),
    )
    write_evaluations(path, made)
    np.testing.assert_array_equal(read_evaluations(path).seed_steps, made.seed_steps)
    truncate_evaluations(path, 12)
    np.testing.assert_array_equal(read_evaluations(path).seed_steps, [[10], [12]])


def test_evaluations_have_the_names_that_scripts_read(tmp_path):
    path = tmp_path / "evaluations.npz"
    write_evaluations(path, evaluations())
    with np.load(path) as file:
        assert file["timesteps"].shape == (3,)
        assert file["results"].shape == file["ep_lengths"].shape == (3, 8)
        np.testing.assert_array_equal(file["results"][1, :4], evaluations().results[0, 1])
        np.testing.assert_array_equal(file["results"][1, 4:], evaluations().results[1, 1])
        assert file["results_by_seed"].shape == (2, 3, 4)
    for mine, theirs in zip(read_evaluations(path), evaluations(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_evaluations_of_unequal_shapes_are_refused(tmp_path):
    steps, results, lengths, _ = evaluations()
    for wrong in ((steps[:2], results, lengths), (steps, results[0], lengths[0])):
        with pytest.raises(StorageError, match="must be"):
            write_evaluations(tmp_path / "e.npz", Evaluations(*wrong))


@pytest.mark.parametrize("how", ["object", "cut", "text"])
def test_hostile_evaluations_are_refused(tmp_path, how):
    path = tmp_path / "evaluations.npz"
    write_evaluations(path, evaluations())
    if how == "object":
        np.savez(path, timesteps=np.array([print], object), results_by_seed=1, ep_lengths_by_seed=1)
    else:
        path.write_bytes(path.read_bytes()[:100] if how == "cut" else b"hello")
    with pytest.raises(DamagedFile, match="cannot be read") as caught:
        read_evaluations(path)
    assert "pickle" not in str(caught.value)


def test_the_git_revision_is_read_from_files(tmp_path):
    from upslope.training.provenance import git_revision

    assert git_revision(Path("/")) is None
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"# pack\n{'b' * 40} refs/heads/main\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert git_revision(inner) == "b" * 40
    (git / "refs/heads/main").write_text("a" * 40 + "\n")
    assert git_revision(inner) == "a" * 40
    (git / "HEAD").write_text("ref: refs/../../../etc/passwd\n")
    assert git_revision(inner) is None
