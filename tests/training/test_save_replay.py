"""Replay buffers in checkpoints: on request, or by their size."""

import warnings

import pytest

from small_runs import InterruptAfter, Interruption, small_run, written
from upslope.core.checks import UpslopeError
from upslope.sampling import replay
from upslope.sampling.replay import saves_replay
from upslope.storage.checkpoint import checkpoints
from upslope.training.train import resume

ENVIRONMENTS = ["CartPole-v1", "gymnasium:CartPole-v1"]


def stored_bytes(folder):
    last = checkpoints(folder / "checkpoints")[-1]
    (path,) = (folder / "checkpoints").glob(f"step_{last:012d}")
    return sum(file.stat().st_size for file in path.iterdir())


def cut_run(folder, environment, **options):
    with pytest.raises(Interruption):
        small_run("dqn", folder, InterruptAfter(3), environment=environment, **options)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_run_without_its_buffer_goes_on_and_says_so(tmp_path, environment):
    for choice in (True, False):
        cut_run(tmp_path / str(choice), environment, save_replay=choice, buffer_size=50_000)
    assert stored_bytes(tmp_path / "False") < stored_bytes(tmp_path / "True")
    with pytest.warns(UserWarning, match="the buffer is filled anew"):
        resume(tmp_path / "False")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resume(tmp_path / "True")
    small_run("dqn", tmp_path / "whole", environment=environment, buffer_size=50_000)
    assert written(tmp_path / "True") == written(tmp_path / "whole")
    assert written(tmp_path / "False") != written(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_large_buffers_are_left_out(tmp_path, environment, monkeypatch):
    monkeypatch.setattr(replay, "SAVED_REPLAY", 1000)
    cut_run(tmp_path / "cut", environment)
    with pytest.warns(UserWarning, match="the buffer is filled anew"):
        resume(tmp_path / "cut")


def test_the_rule():
    assert saves_replay("auto", replay.SAVED_REPLAY)
    assert not saves_replay("auto", replay.SAVED_REPLAY + 1)
    assert saves_replay(True, 2 * replay.SAVED_REPLAY)
    assert not saves_replay(False, 0)


@pytest.mark.parametrize("wrong", ["yes", 1, None, 0.5])
def test_other_choices_are_refused(wrong):
    with pytest.raises(UpslopeError, match=r"save_replay=.* must be True, False or 'auto'"):
        small_run("dqn", None, save_replay=wrong)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_buffers_beyond_the_memory_are_refused(environment):
    with pytest.raises(UpslopeError, match=r"1,000,000,000 steps takes .* GiB .*buffer_size"):
        small_run("dqn", None, environment=environment, buffer_size=1_000_000_000)
