"""What simulators put in `info` is logged as curves `info/NAME`, and reaches callbacks."""

import json

import gymnasium
import numpy as np
import pytest

from small_runs import InterruptAfter, Interruption, small_run, written
from upslope.training.run import Run
from upslope.training.train import resume

NAME = "UpslopeTelling-v0"
if NAME not in gymnasium.registry:
    gymnasium.register(NAME, entry_point="small_simulators:Telling")


@pytest.mark.slow
def test_terms_of_the_reward_are_curves_of_the_run(tmp_path):
    told = []
    options = {"environment": NAME, "workers": 2, "callback": lambda record: told.append(record)}
    run = small_run("ppo", tmp_path / "run", **options)
    steps, forward = run.history.curve("info/reward/forward", 0)
    assert steps[-1] == 1024
    assert (forward == 0.5).all()
    columns = run.history.arrays()
    np.testing.assert_allclose(columns["info/cost"], columns["length"], rtol=1e-6)
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"info/term", "info/success", "info/reward/deep/er"} <= row.keys()
    assert told[0].metrics["info/reward/forward"].tolist() == [0.5, 0.5]
    opened = Run.load(tmp_path / "run").history.curve("info/reward/forward", 1)[1]
    assert (opened == 0.5).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ppo", "dqn"])
def test_a_resumed_run_logs_the_same_curves(method, tmp_path, monkeypatch):
    """A row of dqn's log sums up several iterations, as where the budget is large."""
    options = {"environment": NAME, "workers": 0}
    if method == "dqn":
        monkeypatch.setattr("upslope.engine.rows.MAX_LOGGED_ROWS", 90)
        options |= {"total_timesteps": 400, "gradient_steps": 1, "evaluations": 9}
    small_run(method, tmp_path / "whole", **options)
    with pytest.raises(Interruption):
        small_run(method, tmp_path / "cut", InterruptAfter(2), **options)
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")
    assert "info/cost" in (tmp_path / "whole" / "metrics.jsonl").read_text()
