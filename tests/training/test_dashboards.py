"""What further loggers are told of a run."""

import sys
import types

import numpy as np
import pytest

from small_runs import SMALL, InterruptAfter, Interruption, status
from upslope.core.checks import UpslopeError
from upslope.training.loggers import check_loggers
from upslope.training.train import resume, train

TINY = dict(SMALL["ppo"], seeds=2, evaluations=3, evaluation_episodes=2, final_episodes=4, seed=7)


class FakeRun:
    """A run of W&B: it keeps what it is told, and drops rows that go back, as the real one does."""

    def __init__(self, **settings):
        self.settings, self.rows, self.dropped, self.finished = settings, [], [], False

    def log(self, values, step):
        kept = not self.rows or step >= self.rows[-1][0]
        (self.rows if kept else self.dropped).append((step, values))

    def finish(self):
        self.finished = True


@pytest.fixture
def runs(monkeypatch):
    """The runs that a fake wandb was asked for."""
    asked = []
    fake = types.ModuleType("wandb")
    fake.init = lambda **settings: asked.append(FakeRun(**settings)) or asked[-1]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return asked


@pytest.mark.slow
def test_wandb_gets_the_settings_the_rows_and_every_evaluation(runs, tmp_path):
    run = train("CartPole-v1", "ppo", out=tmp_path / "mine", loggers="wandb", **TINY)
    (told,) = runs
    assert told.finished
    assert told.settings["project"] == "upslope"
    assert told.settings["name"] == "mine"
    assert told.settings["config"] == run.config.to_dict()
    assert not told.dropped
    merged = [row for _, row in told.rows]
    assert {"rollout/ep_rew_mean", "train/approx_kl"} <= set().union(*merged)
    assert all(isinstance(v, float) and np.isfinite(v) for row in merged for v in row.values())
    evaluated = [(s, row["eval/mean_reward"]) for s, row in told.rows if "eval/mean_reward" in row]
    assert evaluated == [(int(e.steps.mean()), e.returns.mean()) for e in run.evaluations]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["reinforce", "cem"])
def test_steps_never_go_back_though_seeds_are_not_abreast(runs, tmp_path, method):
    settings = {**TINY, **SMALL[method]}
    settings = {k: v for k, v in settings.items() if k in SMALL[method] or k not in SMALL["ppo"]}
    train("CartPole-v1", method, out=tmp_path / "run", loggers=["wandb"], **settings)
    assert len(runs[0].rows) > 2
    assert not runs[0].dropped


@pytest.mark.slow
def test_a_resumed_run_tells_each_evaluation_once(runs, tmp_path):
    with pytest.raises(Interruption):
        train(
            "CartPole-v1",
            "ppo",
            out=tmp_path / "run",
            loggers=["wandb"],
            reporter=InterruptAfter(2),
            **TINY,
        )
    run = resume(tmp_path / "run", loggers=["wandb"])
    told = [row["eval/mean_reward"] for r in runs for _, row in r.rows if "eval/mean_reward" in row]
    assert told == [e.returns.mean() for e in run.evaluations]
    assert all(r.finished for r in runs)


@pytest.mark.parametrize("name", ["wandb", "tensorboard"])
def test_a_missing_extra_is_named_before_the_run_folder_is_made(tmp_path, monkeypatch, name):
    def absent(package, *rest):
        return None

    monkeypatch.setattr("importlib.util.find_spec", absent)
    for package in ("wandb", "tensorboardX"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    with pytest.raises(UpslopeError, match=rf"upslope\[{name}\]"):
        train("CartPole-v1", "ppo", out=tmp_path / "run", loggers=[name], **TINY)
    assert not (tmp_path / "run").exists()


def test_an_unknown_logger_is_named_before_the_run_folder_is_made(tmp_path):
    with pytest.raises(UpslopeError, match="Did you mean 'tensorboard'"):
        train("CartPole-v1", "ppo", out=tmp_path / "run", loggers=["tensorbord"], **TINY)
    assert not (tmp_path / "run").exists()


def test_one_logger_needs_no_list():
    assert check_loggers("tensorboard") == ["tensorboard"]


def test_a_run_that_fails_ends_its_dashboards(runs, tmp_path):
    with pytest.raises(Interruption):
        train(
            "CartPole-v1",
            "ppo",
            out=tmp_path / "run",
            loggers=["wandb"],
            reporter=InterruptAfter(1),
            **TINY,
        )
    assert runs[0].finished
    assert status(tmp_path / "run")["state"] == "failed"
