"""A configuration is plain values within limits, and comes back as it was written."""

import numpy as np
import pytest

from upslope.core.checks import StorageError
from upslope.training.config_file import parse_value, read_config, write_config

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
SLOW_BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 16)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: !!python/object/apply:os.mkdir [canary]", "python/object"),
        ("a: !!python/name:os.system", "python/name"),
        ("!!python/object/new:os.mkdir [canary]", "python/object"),
        (BOMB, "aliases"),
        (SLOW_BOMB, "values"),
        ("a: &a [*a]", "deep|values"),
        ("a: 1\nb: 2\na: 3", "'a' appears twice"),
        ("a: {b: 1, b: 2}", "'b' appears twice"),
        ("a: &x {b: 1}\nc: {<<: *x}", "merge"),
        ("1: 2", "not a string"),
        ("[a, b]: 2", "not a string"),
        ("a: " + "[" * 70 + "]" * 70, "deep"),
        ("a: " + "[" * 20_000 + "]" * 20_000, "valid configuration"),
        ("- 1", "holds a list"),
        ("just text", "holds a str"),
        ("a: [", "not a valid"),
        ("a: \x00", "not a valid"),
        ("a: 1\n---\nb: 2", "not a valid"),
        ("!!omap [1]", "not a valid"),
    ],
)
def test_hostile_configurations_are_refused(tmp_path, monkeypatch, text, reason):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(StorageError, match=reason):
        read_config(path)
    assert not (tmp_path / "canary").exists()


def test_a_huge_file_is_refused_without_being_read(tmp_path):
    path = tmp_path / "config.yaml"
    with open(path, "wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(StorageError, match="longer than"):
        read_config(path)
    with pytest.raises(StorageError, match="Could not read"):
        read_config(tmp_path / "none.yaml")


def test_round_trip(tmp_path):
    shared = [1, 2]
    config = {
        "learning_rate": 3e-4,
        "tiny": 1e-30,
        "hidden": (64, 64),
        "again": [shared, shared],
        "none": None,
        "on": True,
        "name": "Ünï: 'x' #",
        "number-like": "1e5",
        "infinity": float("inf"),
        "numpy": np.float32(0.5),
        "z": 1,
        "a": 2,
    }
    path = tmp_path / "config.yaml"
    write_config(path, config)
    back = read_config(path)
    assert back == config | {"hidden": [64, 64]}
    assert list(back) == list(config)
    assert "&" not in path.read_text()


def test_numbers_as_people_write_them(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("a: 3e-4\nb: 1e6\nc: 1.5e3\nd: 2.e-3\ne: 1_000\nf: e5\n")
    assert read_config(path) == {"a": 3e-4, "b": 1e6, "c": 1.5e3, "d": 2e-3, "e": 1000, "f": "e5"}
    path.write_text("")
    assert read_config(path) == {}


def test_what_is_not_plain_is_refused(tmp_path):
    with pytest.raises(StorageError, match=r"config\.a"):
        write_config(tmp_path / "config.yaml", {"a": print})
    assert not (tmp_path / "config.yaml").exists()


def test_a_value_alone_is_read_in_the_same_way():
    texts = ("3e-4", "true", "null", "word", "[1, 2]", "{a: 1}", "'1'")
    assert [parse_value(text) for text in texts] == [
        3e-4, True, None, "word", [1, 2], {"a": 1}, "1",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["[1", "1: 2", "!!python/name:os", "a: 1\n---\nb", "\x00"])
def test_what_is_no_value_is_refused(text):
    with pytest.raises(StorageError, match="not a valid value"):
        parse_value(text)
