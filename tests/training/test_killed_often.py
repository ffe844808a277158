"""A run that is killed again and again makes progress each time, and ends as if it had not been."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import upslope
from upslope.cli.main import main
from upslope.storage.checkpoint import checkpoints

SETTINGS = {
    "total-timesteps": 60_000,
    "seeds": 2,
    "evaluations": 1,
    "evaluation-episodes": 2,
    "final-episodes": 4,
    "n-envs": 1,
    "n-steps": 8,
    "batch-size": 8,
    "n-epochs": 1,
}
FLAGS = [f"--{name}={value}" for name, value in SETTINGS.items()] + ["--no-preset", "--quiet"]
COMMAND = [sys.executable, "-m", "upslope.cli.main"]
LIMIT = 120  # seconds until a checkpoint has to be there, on any machine


def newest(folder):
    found = checkpoints(folder / "checkpoints") if (folder / "checkpoints").is_dir() else []
    return found[-1] if found else -1


@pytest.mark.slow
def test_progress_each_time_and_the_same_end(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    train = [*COMMAND, "train", "CartPole-v1", "ppo", *FLAGS, "--checkpoint-every", "0.2s"]
    out = ["--out", str(killed)]
    reached = []
    for attempt in range(2):
        command = [*COMMAND, "resume", str(killed), "--quiet"] if attempt else [*train, *out]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before, deadline = newest(killed), time.monotonic() + LIMIT
        while process.poll() is None and newest(killed) <= before:
            assert time.monotonic() < deadline, "no checkpoint was written"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        reached.append(newest(killed))
    assert reached == sorted(set(reached))  # each time further
    # In this process, where the second run finds the programs of the first.
    assert main(["resume", str(killed), "--quiet"]) == 0
    assert main([*train[len(COMMAND) :], "--out", str(whole)]) == 0
    one, other = upslope.load(killed), upslope.load(whole)
    observation = np.array([0.01, -0.02, 0.03, 0.04], np.float32)
    for seed in range(2):
        a, b = (upslope.load(path, seed=seed).policy for path in (killed, whole))
        assert (np.asarray(a(observation).logits) == np.asarray(b(observation).logits)).all()
    assert one.predict(observation)[0] == other.predict(observation)[0]
    logs = [path.joinpath("metrics.jsonl").read_text().splitlines() for path in (killed, whole)]
    assert logs[0] == logs[1]
    assert os.path.isdir(killed / "policy")
