"""A resumed run is the uninterrupted run, bit for bit."""

import subprocess
import sys
from pathlib import Path

import pytest

from small_runs import InterruptAfter, Interruption, small_run, status, written
from upslope.core.checks import StorageError, UpslopeError
from upslope.training.signals import Stopped
from upslope.training.train import resume


@pytest.mark.parametrize("method", ["ppo", "reinforce", "cem"])
def test_an_interrupted_run_goes_on_bit_for_bit(method, tmp_path):
    small_run(method, tmp_path / "whole")
    with pytest.raises(Interruption):
        small_run(method, tmp_path / "cut", InterruptAfter(3))
    assert status(tmp_path / "cut")["state"] == "failed"
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")
    assert status(tmp_path / "cut")["state"] == "done"


def test_another_seed_gives_another_run(tmp_path):
    """The comparison above can fail."""
    small_run("cem", tmp_path / "a")
    small_run("cem", tmp_path / "b", seed=8)
    assert written(tmp_path / "a") != written(tmp_path / "b")


@pytest.mark.parametrize(("action", "code"), [("kill", -9), ("terminate", 143)])
def test_a_killed_process_leaves_a_run_that_goes_on(action, code, tmp_path):
    small_run("ppo", tmp_path / "whole")
    program = (
        "from small_runs import *\n"
        "from upslope.core.checks import UpslopeError\n"
        "try:\n"
        f"    small_run('ppo', Path({str(tmp_path / 'cut')!r}), InterruptAfter(2, {action!r}))\n"
        "except UpslopeError as error:\n"
        "    raise SystemExit(error.exit_code)\n"
    )
    root = Path(__file__).parents[1]
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, timeout=200)
    assert ended.returncode == code
    assert status(tmp_path / "cut")["state"] == ("running" if action == "kill" else "stopped")
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


def test_a_stop_says_how_to_go_on(tmp_path):
    with pytest.raises(Stopped, match="upslope resume") as caught:
        small_run("cem", tmp_path / "run", InterruptAfter(1, "terminate"))
    assert caught.value.exit_code == 143


def test_a_damaged_checkpoint_is_passed_over(tmp_path):
    small_run("cem", tmp_path / "whole")
    with pytest.raises(Interruption):
        small_run("cem", tmp_path / "cut", InterruptAfter(3))
    latest = sorted((tmp_path / "cut" / "checkpoints").iterdir())[-1]
    file = latest / "state.safetensors"
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(bytes(data))
    reporter = InterruptAfter(-1)
    resume(tmp_path / "cut", reporter=reporter)
    assert any("damaged" in note for note in reporter.notes)
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


def test_a_run_without_a_checkpoint_starts_again(tmp_path):
    small_run("cem", tmp_path / "whole")
    with pytest.raises(Interruption):
        small_run("cem", tmp_path / "cut", InterruptAfter(1))
    assert not (tmp_path / "cut" / "checkpoints").exists()
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


def test_a_finished_run_and_no_run_are_refused(tmp_path):
    small_run("cem", tmp_path / "run")
    with pytest.raises(UpslopeError, match="is done"):
        resume(tmp_path / "run")
    with pytest.raises(StorageError, match="not a run folder"):
        resume(tmp_path)
