"""`upslope tune`: trials, resuming, the winner on fresh seeds, the preset, and refusals."""

from __future__ import annotations

import importlib.util
import json
import re
import sys

import numpy as np
import pytest

import upslope
from upslope.cli.main import main
from upslope.core.checks import StorageError, UpslopeError
from upslope.training.config_file import read_config
from upslope.training.signals import Stopped
from upslope.tuning import FreshRuns, Range, Trial
from upslope.tuning import tuned_method as module

with_optuna = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs optuna")
SMALL = dict(
    total_timesteps=300,
    population_size=4,
    n_elites=2,
    episodes_per_candidate=1,
    evaluations=3,
    evaluation_episodes=2,
    final_episodes=3,
    environment_settings={"time_limit": 20},
    fresh_seeds=2,
    search={"std": "0.1:3:log", "extra_std": "0:1"},
)


class Pretended:
    """Stands for training: the return is a function of the settings and the seed, and noise."""

    def __init__(self, monkeypatch, stop_before=None):
        self.configs, self.stop_before = [], stop_before
        monkeypatch.setattr(module, "run", self)

    def __call__(self, config, *, out=None, callback=None, **_):
        if self.stop_before is not None and len(self.configs) == self.stop_before:
            raise Stopped("Interrupted", 15)
        self.configs.append(config)
        std = config.method_settings["std"]
        if std > 2.5:
            raise UpslopeError("The search diverged.")
        luck = np.random.default_rng([config.seed, int(1e6 * std)]).normal(size=config.seeds)

        class Result:
            returns = -np.abs(np.log(std / 0.3)) + 0.5 * luck

        return Result()


def tune(folder, trials, **settings):
    return upslope.tune("CartPole-v1", "cem", folder, **{**SMALL, "trials": trials, **settings})


@with_optuna
def test_the_first_trial_is_the_start_and_the_best_one_wins(tmp_path, monkeypatch):
    pretended = Pretended(monkeypatch)
    told = []
    found = tune(tmp_path / "t", 12, std=0.9, callback=told.append)
    assert told == list(found.trials)
    assert len(found.trials) == 12
    assert found.trials[0].settings == {"std": 0.9, "extra_std": 0.3}  # that of the preset
    assert len({trial.settings["extra_std"] for trial in found.trials}) == 12
    assert [trial.number for trial in found.trials] == list(range(12))
    values = [trial.value for trial in found.trials if trial.value is not None]
    assert found.winner.trial_value == max(values)
    assert found.settings == found.trials[found.winner.trial].settings
    assert abs(np.log(found.settings["std"] / 0.3)) < abs(np.log(0.9 / 0.3))
    trials, fresh = pretended.configs[:12], pretended.configs[12:]
    assert {(one.seed, one.seeds) for one in trials} == {(0, 2)}
    assert {(one.seed, one.seeds) for one in fresh} == {(1, 2)}
    assert found.winner.curse == found.winner.trial_value - found.winner.returns.mean()
    assert found.start.trial == 0
    assert "12 trials" in repr(found)
    assert "too high by" in found._repr_html_()


@with_optuna
def test_an_interrupted_tuning_gives_the_trials_of_the_uninterrupted_one(tmp_path, monkeypatch):
    Pretended(monkeypatch)
    whole = tune(tmp_path / "whole", 14)
    for stop in (0, 5):
        Pretended(monkeypatch, stop_before=stop)
        with pytest.raises(Stopped, match=rf"saved in .*: {stop}. Go on by the same call"):
            tune(tmp_path / f"cut-{stop}", 14)
        Pretended(monkeypatch)
        again = tune(tmp_path / f"cut-{stop}", 14)
        assert again.trials == whole.trials
        assert again.settings == whole.settings
    more = tune(tmp_path / "whole", 16)
    assert more.trials[:14] == whole.trials
    assert len(more.trials) == 16
    with pytest.raises(
        StorageError, match=r"differs in config.final_episodes \(\d+, now 9\): .*--out"
    ):
        tune(tmp_path / "whole", 16, final_episodes=9)
    with pytest.raises(StorageError, match=r"differs in ranges\.extra_std \(.*, now not there\)"):
        tune(tmp_path / "whole", 16, search=["std"])


@with_optuna
def test_trials_that_fail_are_kept_with_their_reason(tmp_path, monkeypatch):
    Pretended(monkeypatch)
    found = tune(tmp_path / "t", 8, search={"std": "2:3"}, std=2.2)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed
    assert all(trial.settings["std"] > 2.5 for trial in failed)
    assert failed[0].reason == "The search diverged."
    with pytest.raises(
        UpslopeError, match=r"no complete trial to choose from. The search diverged"
    ):
        tune(tmp_path / "u", 3, search={"std": "2.6:3"}, std=2.8)


@pytest.mark.slow
@with_optuna
def test_a_tuning_leaves_a_preset_that_train_reads(tmp_path, capsys):
    folder = tmp_path / "t"
    found = tune(folder, 6)
    assert {trial.state for trial in found.trials} <= {"complete", "pruned"}
    values = read_config(found.preset)
    assert values["method"] == "cem"
    assert values["std"] == found.settings["std"]
    assert values["env"] == {"time_limit": 20}
    again = upslope.Run.load(found.winner.folder)
    np.testing.assert_array_equal(again.returns, found.winner.returns)
    out = tmp_path / "run"
    seeds = ["--seeds", "2", "--seed", "1", "--evaluations", "3", "--evaluation_episodes", "2"]
    words = ["train", "--config", str(found.preset), *seeds, "--final_episodes", "3"]
    assert main([*words, "--out", str(out), "--quiet"]) == 0
    np.testing.assert_array_equal(upslope.Run.load(out).returns, found.winner.returns)


@pytest.mark.slow
@with_optuna
def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (
        "tune CartPole-v1 cem --trials 3 --search std --fresh-seeds 2 --total-timesteps 300 "
        "--population-size 4 --n-elites 2 --evaluations 2 --evaluation-episodes 2 "
        "--final-episodes 2 --env.time-limit 20"
    )
    words = text.split()
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "cem on CartPole-v1, 2 seeds in every trial"
    assert re.search(r"^trial   0 +[\d.]+ \*  std=1$", shown, re.MULTILINE)
    assert "on fresh seeds" in shown
    assert "bootstrap over 2 seeds that no trial has seen" in shown
    assert "next     upslope train --config tune-CartPole-v1-cem/preset.yaml" in shown
    asked = json.loads((tmp_path / "tune-CartPole-v1-cem" / "tuning.json").read_text())
    assert asked["ranges"] == {"std": "0.1:10:log"}
    assert main([*words, "--quiet"]) == 0  # all there already
    assert capsys.readouterr().out.strip() == "tune-CartPole-v1-cem/preset.yaml"


def test_trials_of_earlier_calls_count_for_the_mark(capsys):
    from upslope.cli.tune_command import TrialLines

    lines = TrialLines()
    lines.earlier([Trial(0, {}, 5.0, "complete", ""), Trial(1, {}, None, "pruned", "")])
    lines(Trial(2, {"std": 1.0}, 4.0, "complete", ""))
    lines(Trial(3, {"std": 2.0}, 6.0, "complete", ""))
    assert capsys.readouterr().out.splitlines() == [
        "2 trials of earlier calls, the best of them trial 0: 5.0",
        "trial   2       4.0    std=1",
        "trial   3       6.0 *  std=2",
    ]
    TrialLines().earlier([])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "upslope tune needs an environment: upslope tune CartPole-v1 ppo"),
        ("CartPole-v1 pp", "Unknown method 'pp'"),
        ("CartPole-v1 ppo --trails 3", "Did you mean --"),
        ("CartPole-v1 ppo --sampler grid", "sampler"),
        ("CartPole-v1 ppo --trials many", "--trials"),
    ],
)
def test_what_the_command_refuses(words, reason, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["tune", *words.split()]) == 2
    assert re.search(reason, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


@with_optuna
def test_what_the_call_refuses(tmp_path, monkeypatch):
    Pretended(monkeypatch)
    for settings, reason in (
        ({"trials": 0}, "at least 1"),
        ({"fresh_seeds": 0}, "at least 1"),
        ({"minutes": 0}, "above 0"),
        ({"sampler": "tpee"}, "Did you mean 'tpe'"),
        ({"pruner": "man"}, "must be one of median, halving, none"),
        ({"search": ["stdd"]}, "Did you mean 'std'"),
    ):
        with pytest.raises(UpslopeError, match=reason):
            tune(tmp_path / "t", **{"trials": 2, **settings})
    (tmp_path / "t").mkdir(exist_ok=True)
    (tmp_path / "t" / "mine.txt").write_text("")
    with pytest.raises(StorageError, match="is not empty"):
        tune(tmp_path / "t", 2)


def test_a_missing_package_is_named_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[tune\]'"):
        tune(tmp_path / "t", 2)
    assert not (tmp_path / "t").exists()


def test_the_curse_is_the_difference(tmp_path):
    fresh = FreshRuns("winner", 3, 10.0, np.array([6.0, 8.0]), tmp_path)
    assert fresh.curse == 3.0
    assert fresh.row() == ["winner", "3", "10.0", "7.0 [6.0, 8.0]", "+3.0"]
    one = FreshRuns("start", 0, None, np.array([6.0]), tmp_path)
    assert one.row() == ["start", "0", "", "6.0", ""]
    assert Range(1, 2).text() == "1:2:log"
