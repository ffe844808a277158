"""`upslope evaluate GAME --planner NAME --opponent WHO`."""

import numpy as np
import pytest

import upslope
from upslope.cli.main import main
from upslope.core.checks import UpslopeError
from upslope.environments import AgainstOpponent, Nim, RandomLegal, TicTacToe
from upslope.planning import UCT
from upslope.training.match import wilson


@pytest.mark.learning
@pytest.mark.slow
def test_mcts_against_perfect_play_and_random_moves():
    """1,500 simulations: no game is lost to minimax; most are won from random moves."""
    few = {"n_simulations": 1500, "exploration": 0.7}
    perfect = upslope.evaluate(TicTacToe(), planner="mcts", opponent="minimax", episodes=6, **few)
    np.testing.assert_array_equal(perfect.returns, 0.0)
    won = upslope.evaluate(TicTacToe(), planner="mcts", opponent="random", episodes=12, **few)
    assert won.returns.shape == (2, 12)
    assert won.returns.min() >= 0
    assert won.returns[0].mean() > 0.8
    assert won.shares("first")["won"].count == (won.returns[0] > 0).sum()
    # What each side makes: five moves at most as first player, four as second.
    assert won.lengths[0].max() <= 5
    assert won.lengths[1].max() <= 4


@pytest.mark.slow
def test_the_sides_of_nim():
    """From 4 objects the second player wins, whoever plays against it."""
    planner = UCT(Nim(4), n_simulations=60, keep_tree=False)
    found = upslope.evaluate(Nim(4), planner=planner, opponent="random", episodes=20)
    np.testing.assert_array_equal(found.returns[1], 1.0)
    assert found.returns[0].min() == -1.0


@pytest.mark.slow
def test_opponents_and_bases_by_name(tmp_path):
    upslope.train(
        "tic-tac-toe", "reinforce", total_timesteps=2000, seeds=1, out=str(tmp_path / "run")
    )
    run = str(tmp_path / "run")
    found = upslope.evaluate(
        "tic-tac-toe", planner="rollout", opponent=run, base=run, episodes=4, n_rollouts=4
    )
    assert found.returns.shape == (2, 4)
    with pytest.raises(UpslopeError, match=r"was trained with observation_space.*Nim has"):
        upslope.evaluate("nim", planner="mcts", opponent=run)


def test_wilsons_interval():
    """Brown, Cai and DasGupta (2001): 0 of 50 is [0, 0.0714]; symmetric; 5 of 10."""
    none, all_, half = wilson(0, 50), wilson(50, 50), wilson(5, 10)
    assert (none.low, none.high) == (0.0, pytest.approx(0.0714, abs=1e-4))
    assert all_.low == pytest.approx(1 - none.high)
    assert (half.low, half.high) == (
        pytest.approx(0.2366, abs=1e-4),
        pytest.approx(0.7634, abs=1e-4),
    )


@pytest.mark.parametrize(
    ("arguments", "settings", "reason"),
    [
        (TicTacToe(), {"planner": "mcts"}, "nobody to play against.*--opponent random"),
        ("CartPole-v1", {"planner": "mcts", "opponent": "random"}, "not a game of two players"),
        ("tic-tac-toe", {"planner": "mcts", "opponent": "radnom"}, "a planner.*folder of a run"),
        ("nim", {"planner": "mcts", "opponent": "minimax"}, "for tic-tac-toe alone.*mcts-1000"),
        ("tic-tac-toe", {"planner": "cem", "opponent": "random"}, "rollout, mcts.*--env.opponent"),
        ("tic-tac-toe", {"planner": "cem", "base": "random"}, "no setting 'base'"),
        ("tic-tac-toe", {"planner": "mcts", "n_simulations": 0}, "n_simulations=0.*at least 1"),
        ("gymnasium:CartPole-v1", {"planner": "mcts"}, "whose dynamics no program can see"),
        ("Pendulum-v1", {"planner": "mcts"}, "chooses among Discrete actions"),
    ],
)
def test_refusals(arguments, settings, reason):
    with pytest.raises(UpslopeError, match=reason):
        upslope.evaluate(arguments, **settings)


@pytest.mark.slow
def test_the_commands(capsys):
    words = "evaluate tic-tac-toe --planner mcts --opponent random --episodes 5 --n_simulations 30"
    assert main(words.split()) == 0
    printed = capsys.readouterr().out
    assert "mcts against random in tic-tac-toe" in printed
    rows = {line.split()[0]: line.split() for line in printed.splitlines() if line.strip()}
    assert rows["first"][1] == rows["second"][1] == "5"
    assert sum(int(count) for count in rows["first"][2:5]) == 5
    assert "simulated at most" in printed


@pytest.mark.slow
def test_without_an_opponent_it_simulates_the_one_of_the_environment():
    """Against random moves the planner that knows them does at least as well as best replies."""
    environment = AgainstOpponent(TicTacToe(), RandomLegal(), "first")
    found = upslope.evaluate(environment, planner="mcts", n_simulations=150, episodes=20)
    assert found.returns.shape == (1, 20)
    assert found.returns.mean() > 0.8
