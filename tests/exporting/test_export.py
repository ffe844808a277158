"""`upslope.export` and its command: which seed, which formats, and what is refused."""

from __future__ import annotations

import importlib.util
import re
import sys

import numpy as np
import pytest
from exported_agents import random_agent

import upslope
from small_runs import small_run
from upslope.cli.main import main
from upslope.core.checks import StorageError, UpslopeError
from upslope.exporting import FORMATS, NumPyFormat
from upslope.exporting.exported_policy import names_of_formats
from upslope.exporting.latency import duration_text


@pytest.fixture(autouse=True)
def no_timing(monkeypatch):
    """One call is enough of a measurement here."""

    def once(call):
        call()
        return 1.5e-5

    monkeypatch.setattr("upslope.exporting.exported_policy.seconds_per_call", once)


@pytest.fixture
def saved(tmp_path):
    """A policy folder without a run."""
    return random_agent("vector", "discrete", "softmax").save(tmp_path / "policy")


def action_of(path, observation):
    spec = importlib.util.spec_from_file_location("exported", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.predict(observation)[0]


def test_an_agent_is_exported(tmp_path):
    agent = random_agent("vector", "discrete", "softmax")
    result = upslope.export(agent, tmp_path / "new" / "place")
    (file,) = result.files
    assert file.path == tmp_path / "new" / "place" / "policy.py"
    assert file.size == file.path.stat().st_size
    assert file.agreement == (1000, 0.0, 0)
    assert result.seed_index is None
    assert repr(result) == f"Export(NetworkPolicy: policy.py in {result.folder})"
    assert "15 µs" in result._repr_html_()
    observation = np.float32([0.3, -1, 2])
    expected, _ = agent.predict(observation, deterministic=True)
    assert action_of(file.path, observation) == expected


@pytest.mark.slow
def test_the_best_seed_of_a_run_or_the_one_that_is_named(tmp_path, capsys):
    folder = tmp_path / "run"
    run = small_run("cem", folder, normalize_observations=True)
    best = int(np.argmax(run.returns))
    observations = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    for seed in (None, 0, 1):
        index = best if seed is None else seed
        expected, _ = run.agent(index).predict(observations, deterministic=True)
        for source in (run, folder, folder / "policy"):
            result = upslope.export(source, tmp_path / "out", seed_index=seed)
            assert result.seed_index == index
            assert result.title == f"cem on CartPole-v1, seed {index}"
            np.testing.assert_array_equal(action_of(result.files[0].path, observations), expected)
    assert main(["export", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert f"cem on CartPole-v1, seed {best} (the best final evaluation)" in shown
    assert "on 1,000 observations" in shown
    assert f"wrote    {folder / 'export'}" in shown
    assert main(["export", str(folder), "--seed_index", "1", "--sampled"]) == 0
    assert "(the best final evaluation)" not in capsys.readouterr().out
    assert "DETERMINISTIC = False" in (folder / "export" / "policy.py").read_text()
    assert main(["export", str(folder), "--seed-index", "2"]) == 5
    assert "no seed 2: the policy was saved for 2" in capsys.readouterr().err
    upslope.Run.load(folder)  # a run with an export is a run


def test_a_policy_folder_is_exported_beside_itself(saved, capsys):
    assert main(["export", str(saved)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[2:4]] == ["predict", "numpy"]
    assert shown[1].split()[:3] == ["format", "file", "size"]
    assert (saved.parent / "policy-export" / "policy.py").is_file()
    upslope.load(saved)  # which holds nothing else


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ("", 2, "needs a run folder: upslope export RUN"),
        ("nowhere", 5, "does not exist"),
        ("CartPole-v1", 2, "is an environment.*upslope train CartPole-v1"),
        ("SAVED --format onxx", 2, "Unknown format 'onxx'. Did you mean 'onnx'.*numpy"),
        ("SAVED --formats numpy", 2, "Did you mean --format"),
        ("SAVED --seed-index -1", 2, "at least 0"),
        ("SAVED --format numpy,stablehlo --sampled", 2, "stablehlo.*greedy policy alone"),
    ],
)
def test_what_the_command_refuses(words, code, reason, saved, capsys, monkeypatch):
    monkeypatch.chdir(saved.parent)
    assert main(["export", *words.replace("SAVED", str(saved)).split()]) == code
    assert re.search(reason, capsys.readouterr().err)
    assert not list(saved.parent.glob("*-export"))


@pytest.mark.parametrize("name", ["onnx", "stablehlo"])
def test_a_missing_package_is_named_before_any_work(name, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    for package in FORMATS.get(name).packages:
        monkeypatch.delitem(sys.modules, package, raising=False)
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[export\]'"):
        upslope.export(saved, tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


def test_what_the_call_refuses(saved, tmp_path):
    agent = random_agent("vector", "discrete", "softmax")
    with pytest.raises(UpslopeError, match="for an agent, which has one policy"):
        upslope.export(agent, tmp_path / "out", seed_index=1)
    with pytest.raises(UpslopeError, match="must be a path"):
        upslope.export(agent, 7)
    with pytest.raises(UpslopeError, match="must be True or False"):
        upslope.export(agent, tmp_path / "out", sampled="no")
    with pytest.raises(UpslopeError, match="must be names"):
        upslope.export(agent, tmp_path / "out", [1])
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Choose another folder"):
        upslope.export(agent, tmp_path / "file" / "out")


def test_nothing_is_written_that_acts_otherwise(tmp_path, monkeypatch):
    agent = random_agent("vector", "bounded", "gaussian")
    encode = NumPyFormat.encode

    def broken(self, policy):
        return encode(self, policy).replace(b"np.tanh", b"np.sin")

    monkeypatch.setattr(NumPyFormat, "encode", broken)
    with pytest.raises(UpslopeError, match=r"does not act as predict does.*Nothing was written"):
        upslope.export(agent, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_of_formats():
    assert names_of_formats("numpy,ONNX") == ["numpy", "onnx"]
    assert names_of_formats(["numpy", "numpy, stablehlo"]) == ["numpy", "stablehlo"]
    with pytest.raises(UpslopeError, match="name at least one of numpy, onnx, stablehlo"):
        names_of_formats([])


def test_durations():
    found = [duration_text(seconds) for seconds in (1.23e-5, 0.0456, 2)]
    assert found == ["12.3 µs", "45.6 ms", "2 s"]
