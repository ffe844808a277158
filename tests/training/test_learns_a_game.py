"""Masked moves are learnt against a fixed opponent, judged by the exact best response."""

import pytest

import upslope
from upslope.environments import TicTacToe
from upslope.environments.games.game_tree import best_response_value, game_tree, uniform_moves


@pytest.mark.slow
def test_learners_with_masks_never_lose_by_an_illegal_move():
    run = upslope.train(
        "tic-tac-toe",
        "ppo",
        total_timesteps=2000,
        seeds=2,
        n_envs=4,
        n_steps=16,
        batch_size=32,
        evaluations=1,
        evaluation_episodes=50,
        use_preset=False,
    )
    # A learner that breaks the rules loses at once, in its first move.
    assert run.summary.final.lengths.mean() > 2.5
    assert run.summary.final.returns.mean() > 0.0


@pytest.mark.learning
@pytest.mark.slow
def test_the_preset_comes_near_the_best_response():
    """Two seeds, a twentieth of the preset's steps; benchmarks/tic_tac_toe.py takes all of them.

    Random moves against random moves earn 0.0; 1,000 games a seed: a standard error below 0.03.
    """
    levels = game_tree(TicTacToe())
    best = best_response_value(levels, uniform_moves(levels))
    assert abs(best - 0.95983) < 1e-4
    run = upslope.train(
        "tic-tac-toe", "ppo", total_timesteps=50_000, seeds=2, evaluations=1, final_episodes=1000
    )
    returns = run.summary.final.returns.mean(axis=1)
    assert (returns > best - 0.25).all(), returns
