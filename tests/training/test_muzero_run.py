"""Runs of MuZero: resumed bit for bit, and what is saved acts as it did."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

import upslope
from small_runs import cut_run, whole_run, written
from upslope.training.train import resume

pytest.importorskip("mctx")


@pytest.mark.slow
def test_it_goes_on_bit_for_bit_and_acts_after_loading_as_before(tmp_path):
    """Model, optimizer, priorities and the searches' notes in the replay buffer are all kept."""
    whole_run("muzero", tmp_path / "whole")
    cut_run("muzero", tmp_path / "cut", 3)
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")
    rows = map(json.loads, (tmp_path / "whole/metrics.jsonl").read_text().splitlines())
    simulated = {row["train/model_steps"] for row in rows if "train/model_steps" in row}
    # Three simulations a step of acting; later a quarter of the windows is searched anew, too.
    assert simulated == {3 * 2 * 4, 3 * (2 * 4 + 2 * 2 * 5)}
    agent = upslope.load(tmp_path / "whole", seed=1)
    planner = agent.policy.planner
    observation = np.array([0.01, 0.02, -0.03, 0.04], np.float32)
    action, _ = agent.predict(observation, deterministic=True)
    plan = planner.plan(jax.random.key(3), planner.environment.state_of(observation), ())
    assert int(action) == int(plan.action)
    again = upslope.evaluate(tmp_path / "whole", episodes=2)
    assert np.isfinite(again.returns).all()


@pytest.mark.slow
@pytest.mark.learning
def test_it_solves_cartpole_with_its_preset():
    """475 is the environment's own threshold."""
    run = upslope.train(
        "CartPole-v1", "muzero", seeds=1, seed=2, evaluations=1, final_episodes=20, progress=False
    )
    assert run.summary.final.returns.mean() >= 475
