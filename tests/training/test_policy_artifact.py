"""A policy folder comes back as it was, and cannot make the reader run anything."""

import io
import json
import os
import pickle
import struct
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from disk_faults import Killed, PowerLoss, failing_at, points_of
from upslope.core.checks import StorageError
from upslope.core.moments import Moments
from upslope.storage import atomic, atomic_folder
from upslope.storage.atomic_folder import NewerSchema
from upslope.storage.policy_artifact import load_policy, save_policy
from upslope.storage.space_json import space_from_json, space_to_json

BOX = spaces.Box(np.array([-1.0, -np.inf], np.float32), np.array([np.inf, 2.0], np.float32))


def policy(scale=1.0):
    return Moments(jnp.asarray(3.0) * scale, jnp.arange(2.0) * scale, jnp.ones(2))


def save(path, what=None, **changes):
    arguments = {
        "observation_space": BOX,
        "action_space": spaces.Discrete(3, start=-1),
        "environment": {"name": "CartPole-v1", "settings": {"gravity": 9.8}},
        "extra": {"score": float("inf"), "note": "ünïcode"},
    }
    return save_policy(path, policy() if what is None else what, **{**arguments, **changes})


def reseal(path, edit):
    """Edits policy.json and makes the manifest fit, as an attacker would."""
    text = json.loads((path / "policy.json").read_text())
    edit(text)
    replace(path, "policy.json", json.dumps(text).encode())


def replace(path, name, data):
    """Puts `data` into a file and makes the manifest fit."""
    files = {p.name: p.read_bytes() for p in path.iterdir() if p.name != "MANIFEST.json"}
    atomic_folder.commit_folder(path, files | {name: data}, "policy")


def test_round_trip(tmp_path):
    loaded = load_policy(save(tmp_path / "policy"))
    assert jax.tree.structure(loaded.policy) == jax.tree.structure(policy())
    np.testing.assert_array_equal(loaded.policy.mean, policy().mean)
    assert loaded.observation_space == BOX
    assert loaded.action_space == spaces.Discrete(3, start=-1)
    assert loaded.metadata["environment"] == {"name": "CartPole-v1", "settings": {"gravity": 9.8}}
    assert loaded.metadata["extra"] == {"score": float("inf"), "note": "ünïcode"}
    assert set(loaded.metadata["versions"]) >= {"python", "jax", "numpy"}
    assert loaded.seeds is None
    assert loaded.of_seed(0) is loaded.policy
    names = {"MANIFEST.json", "policy.json", "policy.safetensors"}
    assert set(os.listdir(tmp_path / "policy")) == names


def test_seeds_are_taken_apart(tmp_path):
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *[policy(float(i)) for i in range(3)])
    loaded = load_policy(save(tmp_path / "policy", stacked, seeds=3))
    np.testing.assert_array_equal(loaded.of_seed(2).mean, policy(2.0).mean)
    with pytest.raises(StorageError, match="no seed 3"):
        loaded.of_seed(3)
    reseal(tmp_path / "policy", lambda text: text.update(seeds=4))
    with pytest.raises(StorageError, match="leading axis of 4"):
        load_policy(tmp_path / "policy")


@pytest.mark.parametrize(
    "space",
    [
        BOX,
        spaces.Box(0, 255, (4, 4, 3), np.uint8),
        spaces.Box(-np.inf, np.inf, (2, 2), np.float64),
        spaces.Box(-1.0, 1.0, (0,), np.float32),
        spaces.Discrete(5),
        spaces.Discrete(5, start=-2),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiDiscrete(np.array([[2, 3], [4, 5]]), start=np.array([[1, 1], [0, -1]])),
        spaces.MultiBinary(4),
        spaces.MultiBinary((2, 3)),
        spaces.Tuple([BOX, spaces.Discrete(2)]),
        spaces.Dict({"a": BOX, "b": spaces.Dict({"c": spaces.MultiBinary(2)})}),
    ],
)
def test_spaces_come_back(space):
    text = json.dumps(space_to_json(space), allow_nan=False)
    back = space_from_json(json.loads(text))
    assert back == space
    assert back.shape == space.shape
    assert back.dtype == space.dtype


def test_a_space_that_cannot_be_saved_is_named():
    with pytest.raises(StorageError, match="Text spaces"):
        space_to_json(spaces.Dict({"a": spaces.Text(4)}))


BOXED = {"space": "Box", "shape": [2], "dtype": "float32", "low": 0.0, "high": 1.0}


@pytest.mark.parametrize(
    "table",
    [
        None,
        {},
        {"space": "os.system"},
        {"space": "Box"},
        BOXED | {"dtype": "object"},
        BOXED | {"dtype": "os.system"},
        BOXED | {"shape": [10**12]},
        BOXED | {"shape": [-1]},
        BOXED | {"shape": ["2"]},
        BOXED | {"low": [0.0, 0.0, 0.0]},
        BOXED | {"low": "x"},
        {"space": "Discrete", "n": -1, "start": 0},
        {"space": "Discrete", "n": 2.5, "start": 0},
        {"space": "MultiDiscrete", "nvec": [[2], [3, 4]], "start": [0], "dtype": "int64"},
        {"space": "MultiBinary", "shape": [10**9, 10**9]},
        {"space": "Dict", "parts": [BOXED]},
        {"space": "Tuple", "parts": [{"space": "eval"}]},
        {"space": "Tuple"},
    ],
)
def test_malformed_spaces_are_refused(table):
    with pytest.raises(StorageError):
        space_from_json(table)


class Canary:
    """Unpickling it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def forged(kind, canary):
    """Bytes that are no safetensors file, most of which would run the canary in another reader."""
    payload = pickle.dumps(Canary(canary))
    if kind == "pickle":
        return payload
    if kind == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", payload)
        return file.getvalue()
    if kind == "npz":
        file = io.BytesIO()
        np.savez(file, a=np.array([Canary(canary)], dtype=object))
        return file.getvalue()
    if kind == "header of 10^12 bytes":
        return struct.pack("<Q", 10**12) + b"{}"
    headers = {
        "overlap": {"a": ["F32", [1], [0, 4]], "b": ["F32", [1], [0, 4]]},
        "hole": {"a": ["F32", [1], [0, 4]], "b": ["F32", [1], [8, 12]]},
        "overflow": {"a": ["F32", [2**62, 4], [0, 4]]},
        "beyond": {"a": ["F32", [100], [0, 400]]},
        "unknown type": {"a": ["PY", [1], [0, 4]]},
    }
    if kind in headers:
        header = {
            name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}
            for name, (dtype, shape, offsets) in headers[kind].items()
        }
        text = json.dumps(header).encode()
    else:  # a key twice
        row = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
        text = b"{" + row + b"," + row + b"}"
    return struct.pack("<Q", len(text)) + text + bytes(12)


@pytest.mark.parametrize(
    "kind",
    [
        "pickle",
        "zip",
        "npz",
        "header of 10^12 bytes",
        "overlap",
        "hole",
        "overflow",
        "beyond",
        "unknown type",
        "twice",
        "empty",
    ],
)
def test_other_formats_are_refused_and_never_run(tmp_path, kind):
    canary = tmp_path / "canary"
    path = save(tmp_path / "policy")
    replace(path, "policy.safetensors", b"" if kind == "empty" else forged(kind, canary))
    with pytest.raises(StorageError):
        load_policy(path)
    assert not canary.exists()


def test_the_canary_would_sing(tmp_path):
    pickle.loads(forged("pickle", tmp_path / "canary"))
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.update(policy={"kind": "module", "class": "os.system", "fields": {}}),
        lambda text: text["policy"].update({"_target_": "os.system"}, kind="_target_"),
        lambda text: text["policy"]["fields"].pop("mean"),
        lambda text: text["policy"]["fields"]["mean"].update(shape=[3]),
        lambda text: text["policy"]["fields"]["mean"].update(dtype="object"),
        lambda text: text.update(policy=None),
        lambda text: text.pop("schema"),
        lambda text: text.update(schema="1"),
        lambda text: text.update(seeds=-1),
        lambda text: text.update(observation_space={"space": "eval"}),
    ],
)
def test_forged_descriptions_are_refused(tmp_path, edit):
    path = save(tmp_path / "policy")
    reseal(path, edit)
    with pytest.raises(StorageError):
        load_policy(path)


def test_deep_and_long_json_is_refused(tmp_path):
    path = save(tmp_path / "policy")
    replace(path, "policy.json", b'{"a":' * 10_000 + b"1" + b"}" * 10_000)
    with pytest.raises(StorageError, match=r"not valid JSON|nested"):
        load_policy(path)
    replace(path, "policy.json", b'{"a": "' + b"x" * (17 << 20) + b'"}')
    with pytest.raises(StorageError, match="bytes long"):
        load_policy(path)


def test_a_newer_schema_is_refused_with_the_versions(tmp_path):
    path = save(tmp_path / "policy")
    reseal(path, lambda text: text.update(schema=2, upslope="9.9"))
    with pytest.raises(NewerSchema, match=r"version 2 .*9\.9.*up to 1"):
        load_policy(path)


@pytest.mark.parametrize("name", ["policy.safetensors", "policy.json", "MANIFEST.json"])
@pytest.mark.parametrize("how", ["cut", "flip", "gone"])
def test_damage_is_found(tmp_path, name, how):
    path = save(tmp_path / "policy")
    file = path / name
    data = file.read_bytes()
    middle = len(data) // 2
    file.unlink()
    if how == "cut":
        file.write_bytes(data[:-5])
    if how == "flip":
        file.write_bytes(data[:middle] + bytes([data[middle] ^ 2]) + data[middle + 1 :])
    with pytest.raises(StorageError, match=name.split(".", maxsplit=1)[0]):
        load_policy(path)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", ""])
def test_a_manifest_cannot_name_files_elsewhere(tmp_path, name):
    path = save(tmp_path / "policy")
    manifest = json.loads((path / "MANIFEST.json").read_text())
    manifest["files"][name] = {"size": 0, "sha256": "0" * 64}
    (path / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match="plain file names"):
        load_policy(path)


def test_files_that_are_links_or_pipes_are_refused(tmp_path):
    path = save(tmp_path / "policy")
    data = path / "policy.safetensors"
    os.rename(data, tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="not a regular file"):
        load_policy(path)
    os.unlink(path / "MANIFEST.json")
    os.mkfifo(path / "MANIFEST.json")
    with pytest.raises(StorageError, match="not a regular file"):
        load_policy(path)


def test_what_is_no_policy_is_said_so(tmp_path):
    with pytest.raises(StorageError, match="not a policy folder"):
        load_policy(tmp_path / "nothing")
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(StorageError, match="other files"):
        save(tmp_path)
    atomic_folder.commit_folder(tmp_path / "c", {"a": b""}, "checkpoint")
    with pytest.raises(StorageError, match="'checkpoint', not a 'policy'"):
        load_policy(tmp_path / "c")


def test_a_kill_or_a_full_disk_leaves_the_old_policy_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "policy"
    save(path)
    total = points_of(monkeypatch, lambda: save(path))
    for at in range(total):
        save(path)
        with monkeypatch.context() as patch:
            PowerLoss(patch, at)
            with pytest.raises(Killed):
                save(path, policy(2.0))
        assert float(load_policy(path).policy.count) in (3.0, 6.0)
    save(path)
    assert os.listdir(tmp_path) == ["policy"]
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_interruption", failing_at(3))
        with pytest.raises(StorageError, match="No space"):
            save(path, policy(2.0))
    assert float(load_policy(path).policy.count) == 3.0
    assert os.listdir(tmp_path) == ["policy"]
