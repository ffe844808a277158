"""A checkpoint between two rows of the log: the rows after it are numbered as without the stop."""

import pytest

import upslope
from upslope.engine import rows
from upslope.engine.loop import ChunkSizer

SETTINGS = {"total_timesteps": 480, "seeds": 2, "n_envs": 1, "n_steps": 8, "batch_size": 8}
SETTINGS |= {"n_epochs": 1, "evaluations": 1, "evaluation_episodes": 1, "final_episodes": 1}


class Killed(Exception):
    pass


class KillAfter:
    """Ends the run at a checkpoint as a kill would, once it is written."""

    def __init__(self, save, checkpoints):
        self.save, self.left = save, checkpoints

    def __call__(self, recorder, position):
        self.save(recorder, position)
        self.left -= 1
        if self.left == 0:
            raise Killed


@pytest.mark.slow
@pytest.mark.parametrize("checkpoints", [1, 2])  # before the first row ended, and after
@pytest.mark.parametrize("name", ["CartPole-v1", "gymnasium:CartPole-v1"])
def test_rows_are_numbered_alike(tmp_path, monkeypatch, name, checkpoints):
    monkeypatch.setattr(rows, "MAX_LOGGED_ROWS", 20)  # 60 iterations: a row is three of them
    monkeypatch.setattr(ChunkSizer, "note", lambda self, _: setattr(self, "count", 4))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    upslope.train(name, "ppo", out=whole, use_preset=False, **SETTINGS)
    with monkeypatch.context() as patch:
        recorder = upslope.training.recorder.RunRecorder
        ends = KillAfter(recorder.save, checkpoints)
        patch.setattr(recorder, "save", lambda self, position: ends(self, position))
        with pytest.raises(Killed):
            upslope.train(
                name, "ppo", out=killed, use_preset=False, checkpoint_every=1e-6, **SETTINGS
            )
    upslope.resume(killed)
    logs = [(path / "metrics.jsonl").read_text() for path in (killed, whole)]
    assert logs[0] == logs[1]
    assert logs[0].count("\n") == 40
