"""NaN and infinities end a run with a word, in training and in its evaluations."""

import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from small_runs import SMALL, InterruptAfter, status
from small_worlds import Clock
from upslope.core.checks import NumericalError
from upslope.engine.finite_checks import check_returns
from upslope.engine.progress import Evaluation
from upslope.environments.environment import Step
from upslope.storage.checkpoint import checkpoints
from upslope.training.train import evaluate, train

SHORT = dict(SMALL["ppo"], seeds=1, hidden=(8,), evaluation_episodes=2, final_episodes=2)


class Souring(Clock):
    """Rewards that are NaN from the 15th step of an episode on; no call of training gets there."""

    time_limit: int | None = eqx.field(static=True, default=20)

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        late = state[0] - state[1] >= 15
        return state, Step(out.observation, jnp.where(late, jnp.nan, out.reward), out.terminated)


def sour(out, **settings):
    small = dict(n_envs=1, n_steps=8, batch_size=8, n_epochs=1, total_timesteps=8, evaluations=1)
    settings = {**SHORT, **small, **settings}
    return train(Souring(), "ppo", out=out, use_preset=False, **settings)


@pytest.mark.slow
def test_a_nan_that_only_an_evaluation_meets_ends_the_run(tmp_path):
    reporter = InterruptAfter(1)  # is told of no evaluation
    with pytest.raises(NumericalError, match=r"Seed 0: held-out episode 0 .* after 8 .* nan"):
        sour(tmp_path / "run", reporter=reporter)
    assert status(tmp_path / "run")["exit_code"] == 4
    assert status(tmp_path / "run")["state"] == "failed"
    diagnosis = json.loads((tmp_path / "run" / "diagnosis.json").read_text())
    assert diagnosis["numerical"] is True
    assert not (tmp_path / "run" / "evaluations.npz").exists()


@pytest.mark.slow
def test_checkpoints_before_the_evaluation_are_kept(tmp_path, monkeypatch):
    from upslope.engine.jax_program import JaxProgram

    honest = JaxProgram.evaluate

    def later(self, policies, episodes, evaluation_index, deterministic=True):
        returns = honest(self, policies, episodes, evaluation_index, deterministic)
        bad = np.full_like(returns.returns, np.inf)
        return returns._replace(returns=bad) if evaluation_index == 2 else returns

    monkeypatch.setattr(JaxProgram, "evaluate", later)
    settings = {**SHORT, "evaluations": 4}
    with pytest.raises(NumericalError, match="inf"):
        train(Clock(), "ppo", out=tmp_path / "run", use_preset=False, **settings)
    assert len(checkpoints(tmp_path / "run" / "checkpoints")) == 2
    with np.load(tmp_path / "run" / "evaluations.npz") as file:
        assert file["timesteps"].size == 2
        assert np.isfinite(file["results"]).all()


@pytest.mark.slow
def test_evaluating_a_run_later_is_checked_too(tmp_path, monkeypatch):
    from upslope.engine.jax_evaluator import JaxEvaluator

    settings = {"seeds": 1, "total_timesteps": 500, "evaluations": 1, "final_episodes": 2}
    train("CartPole-v1", "random-search", out=tmp_path / "run", use_preset=False, **settings)
    assert evaluate(tmp_path / "run", episodes=2).returns.shape == (1, 2)
    honest = JaxEvaluator.evaluate

    def overflowing(self, *arguments):
        returns = honest(self, *arguments)
        return returns._replace(returns=np.full_like(returns.returns, np.inf))

    monkeypatch.setattr(JaxEvaluator, "evaluate", overflowing)
    with pytest.raises(NumericalError, match=r"return inf .* The policies are as they were\."):
        evaluate(tmp_path / "run", episodes=2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_episode_that_is_not_finite_is_named(bad):
    returns = np.ones((2, 3))
    check_returns(Evaluation(np.array([10, 20]), returns, returns))
    returns[1, 2] = bad
    with pytest.raises(NumericalError, match=rf"Seed 1: held-out episode 2 .* 20 .* {bad}.*1 of 6"):
        check_returns(Evaluation(np.array([10, 20]), returns, returns))
