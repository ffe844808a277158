"""A checkpoint between two rows of the log: the rows after it are numbered as without the stop."""

import itertools

import pytest

import upslope
from small_runs import Interruption
from upslope.engine import rows
from upslope.engine.loop import ChunkSizer
from upslope.training.recorder import RunRecorder

SETTINGS = {"total_timesteps": 480, "seeds": 2, "n_envs": 1, "n_steps": 8, "batch_size": 8}
SETTINGS |= {"n_epochs": 1, "evaluations": 1, "evaluation_episodes": 1, "final_episodes": 1}


def kill_after(save, checkpoints):
    """`save`, which ends the run as a kill would once so many checkpoints are written."""
    written = itertools.count(1)

    def saved(recorder, position):
        save(recorder, position)
        if next(written) == checkpoints:
            raise Interruption

    return saved


@pytest.mark.slow
@pytest.mark.parametrize("checkpoints", [1, 2])  # before the first row ended, and after
@pytest.mark.parametrize("name", ["CartPole-v1", "gymnasium:CartPole-v1"])
def test_rows_are_numbered_alike(tmp_path, monkeypatch, name, checkpoints):
    monkeypatch.setattr(rows, "MAX_LOGGED_ROWS", 20)  # 60 iterations: a row is three of them
    monkeypatch.setattr(ChunkSizer, "note", lambda self, _: setattr(self, "count", 4))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    upslope.train(name, "ppo", out=whole, use_preset=False, **SETTINGS)
    with monkeypatch.context() as patch:
        patch.setattr(RunRecorder, "save", kill_after(RunRecorder.save, checkpoints))
        with pytest.raises(Interruption):
            upslope.train(
                name, "ppo", out=killed, use_preset=False, checkpoint_every=1e-6, **SETTINGS
            )
    upslope.resume(killed)
    logs = [(path / "metrics.jsonl").read_text() for path in (killed, whole)]
    assert logs[0] == logs[1]
    assert logs[0].count("\n") == 40
