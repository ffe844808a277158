"""Stable-Baselines3's own `evaluate_policy` runs our agents, unmodified.

It needs Stable-Baselines3, and with it PyTorch: `pip install -e '.[interop]'`.
"""

import gymnasium
import pytest

from small_runs import small_run
from upslope.training.agent import load
from upslope.training.train import train

pytest.importorskip("stable_baselines3", reason="pip install -e '.[interop]'")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("policy", ["softmax", "recurrent"])
def test_evaluate_policy_agrees_with_our_own_evaluation(policy, tmp_path):
    from stable_baselines3.common.evaluation import evaluate_policy

    hidden = (8,) if policy == "softmax" else (8, 8)
    batch = {"batch_size": 64} if policy == "recurrent" else {}
    run = small_run(
        "ppo", tmp_path / "run", policy=policy, hidden=hidden, final_episodes=100, **batch
    )
    agent = load(tmp_path / "run", seed=0)
    mean, _ = evaluate_policy(agent, gymnasium.make("CartPole-v1"), n_eval_episodes=100)
    ours = run.evaluations[-1].returns[0]
    # Two means of 100 episodes of one policy: apart by 4.5 standard errors once in 10^5.
    error = (2 * ours.var() / 100) ** 0.5
    assert abs(mean - ours.mean()) < 4.5 * error + 1e-6


@pytest.mark.filterwarnings("ignore")
def test_continuous_actions_arrive_inside_their_bounds(tmp_path):
    from stable_baselines3.common.evaluation import evaluate_policy

    options = dict(n_envs=2, n_steps=32, batch_size=64, n_epochs=1, total_timesteps=128)
    run = train("Pendulum-v1", "ppo", use_preset=False, seeds=1, out=tmp_path / "run", **options)
    mean, _ = evaluate_policy(
        load(tmp_path / "run"), gymnasium.make("Pendulum-v1"), n_eval_episodes=5
    )
    assert -2000 < mean < 0
    assert run.config.seeds == 1
