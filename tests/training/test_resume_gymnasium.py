"""On simulators, a run resumed from a checkpoint is the uninterrupted run, bit for bit.

Every checkpoint is a border: the run that goes on starts fresh episodes there, too.
"""

import pytest

from small_runs import InterruptAfter, Interruption, small_run, status, written
from upslope.training.signals import Stopped
from upslope.training.train import evaluate, resume

WORLD = {"environment": "gymnasium:CartPole-v1"}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ppo", "reinforce", "cem"])
def test_a_run_resumed_at_a_border_is_the_uninterrupted_run(method, tmp_path):
    small_run(method, tmp_path / "whole", **WORLD)
    with pytest.raises(Interruption):
        small_run(method, tmp_path / "cut", InterruptAfter(3), **WORLD)
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


@pytest.mark.slow
def test_worker_processes_change_nothing(tmp_path):
    small_run("ppo", tmp_path / "here", workers=0, **WORLD)
    small_run("ppo", tmp_path / "there", workers=2, **WORLD)
    assert written(tmp_path / "here") == written(tmp_path / "there")


def test_a_stopped_run_goes_on_to_its_end(tmp_path):
    """A checkpoint that only the signal made: no work is lost, but the episodes are other ones."""
    with pytest.raises(Stopped):
        small_run("ppo", tmp_path / "run", InterruptAfter(2, "terminate"), **WORLD)
    run = resume(tmp_path / "run")
    assert run.summary.steps.tolist() == [1024, 1024]
    assert status(tmp_path / "run")["state"] == "done"
    assert evaluate(tmp_path / "run", episodes=3).returns.shape == (2, 3)
