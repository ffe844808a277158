"""A checkpoint is whole or absent, comes back bit for bit, and is never silently another one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from disk_faults import Killed, PowerLoss, failing_at, points_of
from upslope.core.checks import StorageError
from upslope.storage import atomic, atomic_folder, checkpoint
from upslope.storage.atomic_folder import NewerSchema
from upslope.storage.checkpoint import (
    checkpoints,
    load_latest,
    save_checkpoint,
)


class State(NamedTuple):
    weight: Any
    rest: Any


def small(value=1.0):
    return State(jnp.full((2, 3), value, float), {"count": 3})


def quiet(message):
    raise AssertionError(message)


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert type(x) is type(y)
        assert getattr(x, "dtype", None) == getattr(y, "dtype", None)
        assert getattr(x, "weak_type", None) == getattr(y, "weak_type", None)
        if jnp.issubdtype(getattr(x, "dtype", None), jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y), strict=True)
        assert isinstance(x, str | int) or np.asarray(x).tobytes() == np.asarray(y).tobytes()


LEAVES = {
    "float32": jnp.array([1.5, -0.0, 1e-45]),
    "bfloat16": jnp.array([1.5, 3e38], jnp.bfloat16),
    "float16": jnp.array([1.5], jnp.float16),
    "int8": jnp.array([-128, 127], jnp.int8),
    "uint32": jnp.array([2**32 - 1], jnp.uint32),
    "bool": jnp.array([True, False]),
    "scalar": jnp.float32(3.0),
    "empty": jnp.zeros((0, 3)),
    "weak scalar": jnp.asarray(0.5),
    "weak vector": jnp.full((3,), 2),
    "numpy float64": np.array([0.1, np.pi]),
    "numpy int64": np.array(2**62),
    "numpy strided": np.arange(12.0).reshape(3, 4).T[::2],
    "numpy Fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "numpy big-endian": np.arange(3, dtype=">f4").astype("<f4"),
    "key": jax.random.key(7),
    "keys": jax.random.split(jax.random.key(7), 3),
    "rbg key": jax.random.key(7, impl="rbg"),
    "int": 2**127 + 1,
    "float": 0.1,
    "infinity": float("-inf"),
    "truth": True,
    "text": "PCG64",
}


def test_every_kind_of_leaf_comes_back_bit_for_bit(tmp_path):
    save_checkpoint(tmp_path, 5, LEAVES, {"best": float("-inf"), "list": [1, "a", None]})
    step, back, metadata = load_latest(tmp_path, LEAVES, quiet)
    assert step == 5
    same(back, LEAVES)
    assert metadata["best"] == float("-inf")
    assert metadata["list"] == [1, "a", None]
    assert metadata["nonfinite"] == ["['infinity']"]


def test_double_precision_comes_back_in_x64(tmp_path, x64):
    tree = {"a": jnp.array([0.1]), "b": jnp.arange(3), "w": jnp.asarray(0.5)}
    assert tree["a"].dtype == jnp.float64
    save_checkpoint(tmp_path, 1, tree, {})
    same(load_latest(tmp_path, tree, quiet)[1], tree)


def test_double_precision_is_not_rounded_in_single_precision(tmp_path):
    with jax.enable_x64(True):
        tree = {"a": jnp.array([0.1])}
        like = jax.eval_shape(lambda: tree)
        save_checkpoint(tmp_path, 1, tree, {})
    _, back, _ = load_latest(tmp_path, like, quiet)
    assert back["a"].dtype == np.float64
    assert back["a"][0] == 0.1


def test_the_structure_may_be_given_as_shapes(tmp_path):
    tree = State(jnp.ones(3), jax.random.key(1))
    save_checkpoint(tmp_path, 1, tree, {})
    same(load_latest(tmp_path, jax.eval_shape(lambda: tree), quiet)[1], tree)


def test_the_state_of_a_numpy_generator_comes_back(tmp_path):
    for name in ("PCG64", "Philox"):
        generator = np.random.Generator(getattr(np.random, name)(3))
        generator.random(5)
        save_checkpoint(tmp_path, 1, generator.bit_generator.state, {})
        _, state, _ = load_latest(tmp_path, generator.bit_generator.state, quiet)
        other = np.random.Generator(getattr(np.random, name)(0))
        other.bit_generator.state = state
        assert other.random() == generator.random()


def test_what_is_spread_over_devices_is_gathered_and_spread_again(tmp_path):
    if jax.device_count() < 2:
        pytest.skip("one device")
    mesh = jax.make_mesh((2,), ("s",))
    sharding = jax.NamedSharding(mesh, jax.P("s"))
    tree = {"a": jax.device_put(jnp.arange(4.0), sharding)}
    save_checkpoint(tmp_path, 1, tree, {})
    _, back, _ = load_latest(tmp_path, tree, quiet)
    same(back, tree)
    assert back["a"].sharding == sharding


@pytest.mark.parametrize("leaf", [1j, b"x", object(), np.array([None]), np.zeros(2, complex)])
def test_what_cannot_be_saved_is_refused_with_its_path(tmp_path, leaf):
    with pytest.raises(StorageError, match="'odd'"):
        save_checkpoint(tmp_path, 1, {"odd": leaf}, {})
    assert checkpoints(tmp_path) == []


# --- kills, full disks, damage


def fill(folder, steps=(1, 2)):
    for step in steps:
        save_checkpoint(folder, step, small(step), {"step is": step})


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "step"), [(1, 3), (3, 3), (1, 2), (3, 2)])
def test_a_kill_at_any_point_leaves_a_whole_checkpoint(tmp_path, monkeypatch, keep, step):
    """Also when the step exists already (2): a run that went back saves it again."""
    fill(tmp_path / "start")

    def fresh(name):
        return Path(shutil.copytree(tmp_path / "start", tmp_path / name))

    total = points_of(
        monkeypatch, lambda: save_checkpoint(fresh("count"), step, small(9.0), {}, keep=keep)
    )
    assert total > 12
    outcomes = set()
    for at in range(total):
        folder = fresh(f"at{at}")
        with monkeypatch.context() as patch:
            PowerLoss(patch, at)
            with pytest.raises(Killed):
                save_checkpoint(folder, step, small(9.0), {}, keep=keep)
        found, tree, _ = load_latest(folder, small(), quiet)
        value = float(tree.weight[0, 0])
        assert (found, value) in {(2, 2.0), (step, 9.0)}
        outcomes.add(value)
        with monkeypatch.context() as patch:  # and again, before the next save is done
            PowerLoss(patch, 5)
            with pytest.raises(Killed):
                save_checkpoint(folder, 4, small(4.0), {}, keep=keep)
        assert load_latest(folder, small(), quiet)[0] == found
        save_checkpoint(folder, 4, small(4.0), {}, keep=keep)
        assert load_latest(folder, small(), quiet)[0] == 4
        assert not [p for p in folder.iterdir() if ".tmp-" in p.name or ".old-" in p.name]
        assert len(checkpoints(folder)) <= keep
    assert outcomes == {2.0, 9.0}


@pytest.mark.slow
def test_a_real_kill_leaves_the_last_checkpoint(tmp_path):
    fill(tmp_path)
    program = """
import os, sys
from pathlib import Path
import numpy as np
from upslope.storage import atomic
from upslope.storage.checkpoint import save_checkpoint
def interrupt(point):
    if point.startswith("rename"):
        os.kill(os.getpid(), 9)
atomic._interruption = interrupt
save_checkpoint(Path(sys.argv[1]), 3, {"a": np.ones(3)}, {})
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert any(".tmp-" in path.name for path in tmp_path.iterdir())
    assert load_latest(tmp_path, small(), quiet)[0] == 2


def test_a_full_disk_at_any_write_is_an_error_and_nothing_is_lost(tmp_path, monkeypatch):
    fill(tmp_path / "start")
    count = shutil.copytree(tmp_path / "start", tmp_path / "count")
    points = []
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_interruption", points.append)
        save_checkpoint(count, 3, small(), {})
    until_named = next(i for i, point in enumerate(points) if point.startswith("rename"))
    for at in range(until_named + 1):
        folder = shutil.copytree(tmp_path / "start", tmp_path / f"at{at}")
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "_interruption", failing_at(at))
            with pytest.raises(StorageError, match="No space left") as error:
                save_checkpoint(folder, 3, small(), {})
        assert error.value.exit_code == 5
        assert sorted(os.listdir(folder)) == ["step_000000000001", "step_000000000002"]
        assert load_latest(folder, small(), quiet)[0] == 2


@pytest.mark.slow
def test_a_file_size_limit_of_the_system_is_an_error_and_nothing_is_lost(tmp_path):
    fill(tmp_path)
    program = """
import resource, sys
from pathlib import Path
import numpy as np
from upslope.core.checks import StorageError
from upslope.storage.checkpoint import save_checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save_checkpoint(Path(sys.argv[1]), 3, {"a": np.ones(10_000)}, {})
except StorageError as error:
    print(error)
    sys.exit(error.exit_code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 5, done.stderr
    assert "File too large" in done.stdout
    assert sorted(os.listdir(tmp_path)) == ["step_000000000001", "step_000000000002"]
    assert load_latest(tmp_path, small(), quiet)[0] == 2


def test_a_folder_that_may_not_be_written_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_interruption", failing_at(0, number=13))
    with pytest.raises(StorageError, match="Permission denied"):
        save_checkpoint(tmp_path, 1, small(), {})
    assert checkpoints(tmp_path) == []


@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "MANIFEST.json"])
@pytest.mark.parametrize("how", ["last byte", "half", "all", "bit", "gone", "link"])
def test_damage_to_any_file_is_found_and_the_one_before_is_used(tmp_path, name, how):
    fill(tmp_path)
    path = tmp_path / "step_000000000002" / name
    data = path.read_bytes()
    path.unlink()
    if how == "bit":
        where = len(data) - 3
        path.write_bytes(data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :])
    elif how == "link":
        path.symlink_to(tmp_path / "step_000000000001" / name)
    elif how != "gone":
        path.write_bytes(data[: {"last byte": -1, "half": len(data) // 2, "all": 0}[how]])
    harmless = name == "MANIFEST.json" and how in ("last byte", "bit")  # may hit white space
    warned = []
    step, tree, _ = load_latest(tmp_path, small(), warned.append)
    if harmless and step == 2:
        same(tree, small(2.0))
        return
    assert step == 1
    same(tree, small(1.0))
    assert len(warned) == 1
    assert "step 2" in warned[0]
    assert name in warned[0]
    assert "step 1" in warned[0]
    if how != "bit":
        assert checkpoints(tmp_path) == [1]


def test_a_damaged_later_checkpoint_never_displaces_a_good_one(tmp_path):
    fill(tmp_path, (1, 20))
    data = tmp_path / "step_000000000020" / "state.safetensors"
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\1")
    assert load_latest(tmp_path, small(), lambda _: None)[0] == 1
    save_checkpoint(tmp_path, 10, small(10.0), {}, keep=1)
    assert load_latest(tmp_path, small(), quiet)[0] == 10
    assert checkpoints(tmp_path) == [10]


def test_only_damage_is_passed_over(tmp_path):
    for step in (1, 2):
        folder = tmp_path / f"step_{step}"
        folder.mkdir(parents=True)
    with pytest.raises(StorageError, match=r"no whole checkpoint.*step 2"):
        load_latest(tmp_path, small(), quiet)


def test_a_folder_that_is_not_there_has_no_checkpoint(tmp_path):
    with pytest.raises(StorageError, match="no whole checkpoint"):
        load_latest(tmp_path / "nothing", small(), quiet)


# --- order, retention, schema, structure


def test_the_latest_is_the_largest_number_whatever_names_and_clocks_say(tmp_path):
    fill(tmp_path, (9, 10))
    os.rename(tmp_path / "step_000000000009", tmp_path / "step_9")
    os.rename(tmp_path / "step_000000000010", tmp_path / "step_10")
    os.utime(tmp_path / "step_9", (2e9, 2e9))
    assert checkpoints(tmp_path) == [9, 10]
    assert load_latest(tmp_path, small(), quiet)[0] == 10


def test_the_list_is_what_the_disk_has_now(tmp_path):
    fill(tmp_path)
    assert checkpoints(tmp_path) == [1, 2]
    shutil.rmtree(tmp_path / "step_000000000002")
    assert checkpoints(tmp_path) == [1]


def test_only_the_last_few_are_kept(tmp_path):
    for step in range(5):
        save_checkpoint(tmp_path, step, small(), {}, keep=2)
    assert checkpoints(tmp_path) == [3, 4]
    for step, keep in ((-1, 1), (1, 0)):
        with pytest.raises(StorageError, match="least"):
            save_checkpoint(tmp_path, step, small(), {}, keep=keep)


def test_a_moved_folder_goes_on(tmp_path):
    fill(tmp_path / "a")
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert load_latest(tmp_path / "b", small(), quiet)[0] == 2
    for path in (tmp_path / "b").rglob("*.json"):
        assert str(tmp_path) not in path.read_text()


def reseal(folder, edit):
    """Edits state.json and makes the manifest fit, as another version's writer would."""
    state = json.loads((folder / "state.json").read_text())
    edit(state)
    tensors = (folder / "state.safetensors").read_bytes()
    files = {"state.safetensors": tensors, "state.json": json.dumps(state).encode()}
    atomic_folder.commit_folder(folder, files, "checkpoint")


def test_a_newer_schema_is_refused_and_not_passed_over(tmp_path):
    fill(tmp_path)
    reseal(tmp_path / "step_000000000002", lambda s: s.update(schema=99, upslope="7.0"))
    with pytest.raises(NewerSchema, match=r"schema version 99.*7\.0.*up to 1.*pip install -U"):
        load_latest(tmp_path, small(), quiet)


def test_a_newer_manifest_is_refused_and_not_passed_over(tmp_path):
    fill(tmp_path)
    path = tmp_path / "step_000000000002" / "MANIFEST.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 2}))
    with pytest.raises(NewerSchema):
        load_latest(tmp_path, small(), quiet)


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (
            State(jnp.ones((2, 4)), {"count": 3}),
            r"\.weight: saved float32\[2, 3\], wanted float32\[2, 4\]",
        ),
        (State(jnp.ones((2, 3), jnp.bfloat16), {"count": 3}), r"wanted bfloat16\[2, 3\]"),
        (State(jnp.ones((2, 3)), {"count": 3.0}), r"\.rest\['count'\]: saved int, wanted float"),
        (State(jnp.ones((2, 3)), {"counts": 3}), r"\.rest\['counts'\]: saved absent, wanted int"),
        (State(jnp.ones((2, 3)), {}), r"\.rest\['count'\]: saved int, unexpected"),
        ((jnp.ones((2, 3)), {"count": 3}), r"\[0\]: saved absent"),
    ],
)
def test_another_structure_is_an_error_that_lists_the_differences(tmp_path, like, message):
    fill(tmp_path)
    with pytest.raises(StorageError, match=message):
        load_latest(tmp_path, like, quiet)


def test_long_lists_of_differences_are_cut(tmp_path):
    save_checkpoint(tmp_path, 1, {f"k{i}": i for i in range(9)}, {})
    with pytest.raises(StorageError, match=r"\(and 4 more\)"):
        load_latest(tmp_path, {}, quiet)


def test_rows_and_tensors_must_agree(tmp_path):
    fill(tmp_path, (1,))
    row = {"kind": "key", "impl": "os.system", "shape": [2, 3]}
    reseal(tmp_path / "step_000000000001", lambda s: s["leaves"].update({".weight": row}))
    with pytest.raises(StorageError):
        load_latest(tmp_path, small(), quiet)


# --- NaN


def test_nan_is_flagged_and_told(tmp_path):
    save_checkpoint(tmp_path, 1, small(float("nan")), {})
    warned = []
    _, _, metadata = load_latest(tmp_path, small(), warned.append)
    assert metadata["nonfinite"] == [".weight"]
    assert "NaN in .weight" in warned[0]
    with pytest.warns(UserWarning, match="NaN"):
        load_latest(tmp_path, small())


def test_keys_that_print_alike_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_name", lambda path: "same")
    with pytest.raises(StorageError, match="Two leaves"):
        save_checkpoint(tmp_path, 1, small(), {})
