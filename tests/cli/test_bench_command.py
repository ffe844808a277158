"""Several methods on one environment: one budget, folders that are kept, refusals before work."""

from __future__ import annotations

import json

import pytest

from upslope.cli.bench_command import bench, configurations
from upslope.core.checks import StorageError, UpslopeError


def test_all_methods_have_the_largest_budget_of_their_presets():
    configs = configurations("CartPole-v1", ["ppo", "cem"], {})
    assert {config.seeds for config in configs} == {10}
    assert len({config.total_timesteps for config in configs}) == 1
    assert len({config.final_episodes for config in configs}) == 1
    assert configurations("CartPole-v1", ["ppo"], {"total_timesteps": 9})[0].total_timesteps == 9


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("CartPole-v1 ppo", "two methods"),
        ("CartPole-v1 ppo ppo", "a method twice"),
        ("CartPole-v1 ppo cma-se", "Did you mean 'cma-es'"),
        ("CartPol-v1 ppo cem", "Did you mean 'CartPole-v1'"),
        ("CartPole-v1 ppo cem --sedes 3", "Did you mean --seed"),
    ],
)
def test_refusals(words, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UpslopeError, match=reason):
        bench(words.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_methods_are_trained_once_and_compared(tmp_path, capsys):
    words = "CartPole-v1 cem --quiet random-search --seeds 2 --total-timesteps 900 --evaluations 2"
    words = [*words.split(), "--final-episodes", "2", "--out", str(tmp_path / "b")]
    assert bench([*words, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [run["label"] for run in values["groups"][0]["runs"]] == ["cem", "random-search"]
    before = (tmp_path / "b" / "cem" / "metrics.jsonl").stat().st_mtime_ns
    assert bench(words) == 0
    assert "Probability of improvement" in capsys.readouterr().out
    assert (tmp_path / "b" / "cem" / "metrics.jsonl").stat().st_mtime_ns == before
    with pytest.raises(StorageError, match="other settings"):
        bench([*words[:-1], str(tmp_path / "b"), "--seed", "5"])
