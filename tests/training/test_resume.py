"""A resumed run is the uninterrupted run, bit for bit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from small_runs import (
    InterruptAfter,
    Interruption,
    cut_run,
    small_run,
    status,
    whole_run,
    written,
)
from upslope.core.checks import StorageError, UpslopeError
from upslope.engine.progress import Silent
from upslope.storage import atomic
from upslope.training.signals import Stopped, StopSignals
from upslope.training.train import resume


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ppo", "reinforce", "cem"])
def test_an_interrupted_run_goes_on_bit_for_bit(method, tmp_path):
    whole_run(method, tmp_path / "whole")
    cut_run(method, tmp_path / "cut", 3)
    assert status(tmp_path / "cut")["state"] == "failed"
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")
    assert status(tmp_path / "cut")["state"] == "done"


@pytest.mark.slow
def test_another_seed_gives_another_run(tmp_path):
    """The comparison above can fail."""
    whole_run("cem", tmp_path / "a")
    small_run("cem", tmp_path / "b", seed=8)
    assert written(tmp_path / "a") != written(tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize(("action", "code"), [("kill", -9), ("terminate", 143)])
def test_a_killed_process_leaves_a_run_that_goes_on(action, code, tmp_path):
    whole_run("ppo", tmp_path / "whole")
    program = (
        "from small_runs import *\n"
        "from upslope.training.signals import Stopped\n"
        "try:\n"
        f"    small_run('ppo', Path({str(tmp_path / 'cut')!r}), InterruptAfter(2, {action!r}))\n"
        "except Stopped as error:\n"
        "    raise SystemExit(error.exit_code)\n"
    )
    root = Path(__file__).parents[1]
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, timeout=200)
    assert ended.returncode == code
    assert status(tmp_path / "cut")["state"] == ("running" if action == "kill" else "stopped")
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


def test_a_stop_says_how_to_go_on(tmp_path):
    said = r"Interrupted after \d+ steps per seed; state saved\. Resume with: upslope resume"
    with pytest.raises(Stopped, match=said) as caught:
        small_run("cem", tmp_path / "run", InterruptAfter(1, "terminate"))
    assert caught.value.exit_code == 143


def test_an_interrupt_is_no_exception_and_says_where_nothing_was_saved():
    said = r"Interrupted after \d+ steps per seed; nothing was saved \(no out=\)\.$"
    with pytest.raises(KeyboardInterrupt, match=said) as caught:
        small_run("cem", None, InterruptAfter(1, "interrupt"))
    assert not isinstance(caught.value, Exception)  # a sweep's `except Exception` lets it pass


class InterruptTwice(Silent):
    """Presses Ctrl-C a second time as soon as the first has been heard."""

    def evaluation(self, evaluation):
        signal.raise_signal(signal.SIGINT)

    def phase(self, name):
        if name == "stopping":
            signal.raise_signal(signal.SIGINT)


def test_a_second_interrupt_is_raised_at_once_and_the_handlers_are_back(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt) as caught:
        small_run("cem", tmp_path / "run", InterruptTwice())
    assert not isinstance(caught.value, Stopped)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert status(tmp_path / "run")["state"] == "stopped"


def test_the_command_ends_at_the_second_signal(monkeypatch):
    monkeypatch.setattr(os, "_exit", sys.exit)
    with StopSignals(owns_process=True):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGINT)
    assert ended.value.code == 130


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over(tmp_path):
    whole_run("cem", tmp_path / "whole")
    cut_run("cem", tmp_path / "cut", 3)
    latest = sorted((tmp_path / "cut" / "checkpoints").iterdir())[-1]
    file = latest / "state.safetensors"
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(bytes(data))
    reporter = InterruptAfter(-1)
    resume(tmp_path / "cut", reporter=reporter)
    assert any("Skipped a corrupt checkpoint; resuming from step" in n for n in reporter.notes)
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_without_a_checkpoint_starts_again(tmp_path):
    whole_run("cem", tmp_path / "whole")
    cut_run("cem", tmp_path / "cut", 1)
    assert not (tmp_path / "cut" / "checkpoints").exists()
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0.0, 0.3])
def test_rows_that_were_lost_are_told_and_do_not_shift_the_curve(kept, tmp_path):
    whole_run("cem", tmp_path / "whole")
    cut_run("cem", tmp_path / "cut", 3)
    log = tmp_path / "cut" / "metrics.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[: int(kept * len(lines))]))
    reporter = InterruptAfter(-1)
    resume(tmp_path / "cut", reporter=reporter)
    assert any("metrics.jsonl lacks" in note for note in reporter.notes)
    whole, cut = written(tmp_path / "whole"), written(tmp_path / "cut")
    assert cut["policy"] == whole["policy"]
    assert cut["evaluations"] == whole["evaluations"]
    rows, expected = rows_of(tmp_path / "cut"), rows_of(tmp_path / "whole")
    assert 0 < len(rows) < len(expected)
    assert all(row in expected for row in rows)  # numbers of iterations and of steps included
    assert rows[-2:] == expected[-2:]


def test_the_log_is_on_the_disk_before_its_checkpoint(tmp_path, monkeypatch):
    points = []
    monkeypatch.setattr(atomic, "_interruption", points.append)
    small_run("cem", tmp_path / "run")
    marks = [
        "log" if point.startswith("fsync ") else "checkpoint"
        for point in points
        if point == f"fsync {tmp_path / 'run' / 'metrics.jsonl'}"
        or (point.startswith("rename") and "/checkpoints/step_" in point)
    ]
    assert marks == ["log", "checkpoint"] * 4


def junk(path):
    path.write_bytes(b"junk\n")


def shorter(path):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(
        path,
        timesteps=arrays["timesteps"][:1],
        results_by_seed=arrays["results_by_seed"][:, :1],
        ep_lengths_by_seed=arrays["ep_lengths_by_seed"][:, :1],
    )


def one_seed(path):
    steps, results = np.array([10]), np.zeros((1, 1, 2))
    np.savez(path, timesteps=steps, results_by_seed=results, ep_lengths_by_seed=results)


@pytest.mark.slow
@pytest.mark.parametrize("how", [junk, shorter, one_seed, Path.unlink])
def test_lost_evaluations_are_told_and_the_run_goes_on(how, tmp_path):
    whole_run("cem", tmp_path / "whole")
    cut_run("cem", tmp_path / "cut", 3)
    path = tmp_path / "cut" / "evaluations.npz"
    how(path)
    reporter = InterruptAfter(-1)
    resume(tmp_path / "cut", reporter=reporter)
    said = " ".join(reporter.notes)
    assert "evaluations.npz lacks" in said
    assert "pickle" not in said
    damaged = how in (junk, one_seed)
    assert path.with_name("evaluations.npz.damaged").exists() == damaged
    assert ("is kept as evaluations.npz.damaged" in said) == damaged
    whole, cut = written(tmp_path / "whole"), written(tmp_path / "cut")
    assert (cut["policy"], cut["metrics"]) == (whole["policy"], whole["metrics"])
    left = len(cut["evaluations"]["timesteps"])
    assert left == (3 if how is shorter else 2)
    assert cut["evaluations"]["timesteps"] == whole["evaluations"]["timesteps"][-left:] or left == 3
    assert status(tmp_path / "cut")["state"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", '{"state": "runn', "[]", "{}"])
def test_a_torn_status_does_not_stop_a_run_from_going_on(text, tmp_path):
    whole_run("cem", tmp_path / "whole")
    cut_run("cem", tmp_path / "cut", 3)
    (tmp_path / "cut" / "status.json").write_text(text)
    reporter = InterruptAfter(-1)
    resume(tmp_path / "cut", reporter=reporter)
    assert any("status.json.damaged" in note for note in reporter.notes)
    assert (tmp_path / "cut" / "status.json.damaged").read_text() == text
    assert written(tmp_path / "cut") == written(tmp_path / "whole")
    assert status(tmp_path / "cut")["state"] == "done"


@pytest.mark.slow
def test_a_run_whose_last_word_was_lost_is_not_evaluated_twice(tmp_path):
    whole_run("cem", tmp_path / "run")
    whole = written(tmp_path / "run")
    (tmp_path / "run" / "status.json").write_text("")
    resume(tmp_path / "run")
    assert written(tmp_path / "run") == whole


def test_a_finished_run_and_no_run_are_refused(tmp_path):
    whole_run("cem", tmp_path / "run")
    with pytest.raises(UpslopeError, match="already complete: nothing to resume"):
        resume(tmp_path / "run")
    with pytest.raises(StorageError, match="not a run folder"):
        resume(tmp_path)


@pytest.mark.slow
def test_what_was_changed_in_the_configuration_is_told(tmp_path):
    out = tmp_path / "run"
    cut_run("ppo", out, 2)
    same, changed = InterruptAfter(1), InterruptAfter(99)
    with pytest.raises(Interruption):
        resume(out, reporter=same)
    assert same.notes == []
    text = (out / "config.yaml").read_text()
    assert "seed: 7" in text
    assert "n_epochs: 2" in text
    (out / "config.yaml").write_text(
        text.replace("seed: 7", "seed: 8").replace("n_epochs: 2", "n_epochs: 3")
    )
    resume(out, reporter=changed)
    assert len(changed.notes) == 1
    assert "config.yaml is not what this run began with" in changed.notes[0]
    assert "seed: 7, now 8" in changed.notes[0]
    assert "method_settings.n_epochs: 2, now 3" in changed.notes[0]
    assert "total_timesteps" not in changed.notes[0]


@pytest.mark.slow
def test_a_run_that_does_not_say_what_it_began_with_goes_on(tmp_path):
    out, told = tmp_path / "run", InterruptAfter(99)
    cut_run("cem", out, 2)
    (out / "environment.json").unlink()
    resume(out, reporter=told)
    assert told.notes == []
    assert status(out)["state"] == "done"
