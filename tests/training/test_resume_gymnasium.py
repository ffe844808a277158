"""On simulators, a run resumed from a checkpoint is the uninterrupted run, bit for bit.

A checkpoint holds the seed and the actions of every running episode: neither checkpoints nor
evaluations nor signals change a number.
"""

import json
import os
import signal

import gymnasium
import numpy as np
import pytest

from small_runs import InterruptAfter, Interruption, small_run, status, written
from upslope.engine.progress import Silent
from upslope.training.agent import load
from upslope.training.signals import Stopped
from upslope.training.train import evaluate, resume, train

WORLD = {"environment": "gymnasium:CartPole-v1"}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ppo", "reinforce", "dqn", "cem"])
def test_a_run_resumed_at_a_border_is_the_uninterrupted_run(method, tmp_path):
    small_run(method, tmp_path / "whole", **WORLD)
    with pytest.raises(Interruption):
        small_run(method, tmp_path / "cut", InterruptAfter(3), **WORLD)
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_on_masked_trees_resumes(tmp_path):
    name = "UpslopeMasked-v0"
    if name not in gymnasium.registry:
        gymnasium.register(name, entry_point="small_simulators:Masked")
    options = {"environment": f"gymnasium:{name}", "normalize_observations": True, "workers": 2}
    small_run("ppo", tmp_path / "whole", **options)
    with pytest.raises(Interruption):
        small_run("ppo", tmp_path / "cut", InterruptAfter(2), **options)
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")
    assert evaluate(tmp_path / "cut", episodes=3).lengths.tolist() == [[5, 5, 5]] * 2
    action, _ = load(tmp_path / "cut").predict(
        {"target": 3, "place": (np.zeros(2),), "action_mask": np.array([0, 0, 0, 1])}
    )
    assert action == 3


@pytest.mark.slow
@pytest.mark.learning
def test_dqn_learns_on_simulators():
    """CartPole in 8,000 steps; chance is 22."""
    run = train(
        "gymnasium:CartPole-v1",
        "dqn",
        seeds=2,
        n_envs=4,
        train_freq=4,
        gradient_steps=8,
        batch_size=64,
        learning_rate=2e-3,
        learning_starts=500,
        target_update_interval=160,
        exploration_fraction=0.4,
        total_timesteps=8_000,
        evaluations=1,
        final_episodes=20,
        workers=0,
        use_preset=False,
        seed=0,
    )
    assert run.summary.final.returns.mean() > 100


@pytest.mark.slow
def test_worker_processes_change_nothing(tmp_path):
    small_run("ppo", tmp_path / "here", workers=0, **WORLD)
    small_run("ppo", tmp_path / "there", workers=2, **WORLD)
    assert written(tmp_path / "here") == written(tmp_path / "there")


def curves(run):
    """Each seed's rows. `step` counts all seeds, which wait for each other at evaluations."""
    rows = [json.loads(line) for line in run["metrics"].splitlines()]
    seeds = {row["seed"] for row in rows}
    assert len(seeds) == 2
    return {
        seed: [{k: v for k, v in row.items() if k != "step"} for row in rows if row["seed"] == seed]
        for seed in seeds
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ppo", "reinforce", "cem"])
def test_evaluations_change_no_number(method, tmp_path):
    """One or five: the same policy and the same curves. Whole episodes reach targets unevenly."""
    for count in (1, 5):
        small_run(method, tmp_path / str(count), evaluations=count, **WORLD)
    one, five = (written(tmp_path / str(count)) for count in (1, 5))
    assert one["policy"] == five["policy"]
    assert curves(one) == curves(five)


class StopAtProgress(Silent):
    """Stops the run at the n-th look, which is between two evaluations."""

    def __init__(self, looks: int):
        self.left = looks

    def progress(self, look):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_stopped_between_two_checkpoints_is_the_uninterrupted_run(workers, tmp_path):
    options = dict(evaluations=1, workers=workers, **WORLD)
    small_run("ppo", tmp_path / "whole", **options)
    with pytest.raises(Stopped):
        small_run("ppo", tmp_path / "cut", StopAtProgress(1), **options)
    saved = sorted((tmp_path / "cut" / "checkpoints").iterdir())
    assert len(saved) == 1
    assert 0 < int(saved[0].name.split("_")[1]) < 2 * 1024
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_its_end(tmp_path):
    """A checkpoint that only the signal made: no work is lost."""
    with pytest.raises(Stopped):
        small_run("ppo", tmp_path / "run", InterruptAfter(2, "terminate"), **WORLD)
    run = resume(tmp_path / "run")
    assert run.summary.steps.tolist() == [1024, 1024]
    assert status(tmp_path / "run")["state"] == "done"
    assert evaluate(tmp_path / "run", episodes=3).returns.shape == (2, 3)
