"""Rows that sum up many iterations: no step is counted twice, whenever the host looks."""

import sys
from pathlib import Path

import numpy as np
import pytest

import upslope
from upslope.core.checks import UpslopeError
from upslope.training.config import seconds_of

sys.path.insert(0, str(Path(__file__).parent))
from test_no_copies import program


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 2])
def test_the_budget_is_kept_however_often_the_host_looks(seeds):
    made = program(seeds, 100_000)
    assert made.iterations_per_row == 50
    carry, steps, calls = made.start(), np.zeros(seeds, np.int64), 0
    target = np.full(seeds, 335)
    while (steps < target).any():
        wanted = target - steps - made.pending_steps(carry)
        carry, records = made.advance(carry, wanted, 7)
        steps += np.where(records.iterations > 0, records.statistics.steps, 0).sum(axis=0)
        calls += 1
    assert (steps == 335).all()
    assert (np.asarray(carry.iteration) == 335).all()
    assert calls == 48


@pytest.mark.slow
def test_one_evaluation_per_policy():
    """An iteration that is longer than the spacing of the evaluations: each policy once."""
    run = upslope.train(
        "CartPole-v1",
        "ppo",
        total_timesteps=4096,
        n_envs=8,
        n_steps=256,
        seeds=2,
        evaluations=10,
        evaluation_episodes=2,
        final_episodes=2,
        out=None,
    )
    steps = [int(one.steps.max()) for one in run.history.evaluations]
    assert steps == [2048, 4096]


@pytest.mark.slow
def test_a_search_that_has_stopped_ends_the_run():
    """A flat objective: CMA-ES says so, and takes no more steps."""
    run = upslope.train(
        "probe-constant",
        "cma-es",
        total_timesteps=100_000,
        population_size=4,
        episodes_per_candidate=1,
        seeds=2,
        evaluations=2,
        evaluation_episodes=2,
        final_episodes=2,
        policy="deterministic-linear",
        out=None,
    )
    assert run.summary.reason == "done"
    assert run.summary.steps.max() < 50_000
    assert any("stopped by themselves" in note for note in run.summary.notes)


@pytest.mark.parametrize(
    ("said", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600), (2.5, 2.5), ("7", 7)]
)
def test_durations(said, seconds):
    assert seconds_of(said) == seconds


@pytest.mark.parametrize("said", ["soon", "", "-1s", 0, "5d", True, float("nan")])
def test_what_is_no_duration(said):
    with pytest.raises(UpslopeError, match="checkpoint_every"):
        seconds_of(said)
