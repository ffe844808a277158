"""Round robins: known results, both sides, openings, draws, refusals, the command."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from upslope.cli.main import main
from upslope.comparison.paired_games import play_paired
from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError
from upslope.core.records import Act
from upslope.environments import Nim, Pig, RandomLegal, TicTacToe
from upslope.environments.games.minimax import tic_tac_toe_minimax
from upslope.environments.games.pig import HOLD, ROLL
from upslope.planning import UCT


class PerfectNim(Actor):
    """Takes the remainder by 4, or one."""

    def act(self, noise, observation, memory):
        left = jnp.round(observation["heap"][0] * 15).astype(int)
        return Act(jnp.maximum(left % 4, 1) - 1, memory)


class Middle(Actor):
    """Wants the middle cell, always: an illegal move as soon as it is taken."""

    def act(self, noise, observation, memory):
        return Act(jnp.asarray(4), memory)


class Counting(Actor):
    """Takes the lowest cell; remembers how often it has moved."""

    def initial_memory(self):
        return jnp.zeros((), int)

    def act(self, noise, observation, memory):
        mine = observation["board"][0].sum().astype(int)
        wrong = memory != mine  # each move puts a stone of its own on the board
        return Act(jnp.where(wrong, -1, jnp.argmax(observation["action_mask"])), memory + 1)


class Holder(Actor):
    """Pig: rolls until a turn has 20 points."""

    def act(self, noise, observation, memory):
        own, _, turn = observation["scores"] * 100
        enough = (turn > 19.5) | (own + turn > 99.5)
        return Act(jnp.where(enough, HOLD, ROLL), memory)


def played(game, one, other, n=16, opening=0, seed=0):
    return play_paired(jax.random.key(seed), game, (one, other), n, opening, ("one", "other"))


@pytest.mark.slow
def test_who_begins_wins_nim():
    """From 15 a perfect player wins as first one; a perfect pair shows who began."""
    found = played(Nim(15), PerfectNim(), PerfectNim())
    np.testing.assert_array_equal(found.results[0], 1)
    np.testing.assert_array_equal(found.results[1], -1)
    found = played(Nim(15), RandomLegal(), PerfectNim(), n=40)
    assert found.results[1].max() == -1
    assert found.unfinished == 0


@pytest.mark.slow
def test_draws_are_draws_and_openings_are_shared():
    perfect = tic_tac_toe_minimax()
    found = played(TicTacToe(), perfect, perfect, n=32)
    np.testing.assert_array_equal(found.results, 0)
    np.testing.assert_array_equal(found.moves, 9)
    # After random openings of three moves some are lost, from either side by who has to.
    found = played(TicTacToe(), perfect, perfect, n=64, opening=3)
    assert {-1, 0, 1} == set(found.results.ravel().tolist())
    np.testing.assert_array_equal(found.results[0], -found.results[1])
    assert len(set(found.moves[0].tolist())) > 1


@pytest.mark.slow
def test_memory_is_the_players_own():
    """Each remembers its own moves: -1, an illegal move, would say that it does not."""
    found = played(TicTacToe(), Counting(), Counting(), n=3)
    np.testing.assert_array_equal(found.results[0], 1)  # 0, 2, 4, 6: the diagonal
    np.testing.assert_array_equal(found.moves, 7)


@pytest.mark.slow
def test_turns_that_go_on():
    """Pig: who holds at 20 beats random moves nearly always, on both sides."""
    found = played(Pig(), Holder(), RandomLegal(), n=24)
    assert found.results.mean() > 0.8
    other = played(Pig(), RandomLegal(), Holder(), n=24)
    assert other.results.mean() < -0.8


@pytest.mark.slow
def test_illegal_moves_are_named():
    with pytest.raises(
        UpslopeError, match=r"other made the illegal move 4 in TicTacToe, move \d.*legal were \["
    ):
        played(TicTacToe(), RandomLegal(), Middle())
    with pytest.raises(UpslopeError, match="opening_moves=9, after which games"):
        played(TicTacToe(), RandomLegal(), RandomLegal(), opening=9)


@pytest.mark.slow
def test_a_tournament():
    entrants = {"perfect": PerfectNim(), "random": RandomLegal(), "other": RandomLegal()}
    found = upslope.tournament(entrants, Nim(15), games=60, opening_moves=1, resamples=100)
    again = upslope.tournament(entrants, Nim(15), games=60, opening_moves=1, resamples=100)
    np.testing.assert_array_equal(found.results, again.results)
    assert found.entrants[found.order[0]] == "perfect"
    won, drawn, lost = found.counts(0, 1)
    assert (won + drawn + lost, drawn) == (60, 0)
    assert found.counts(1, 0) == (lost, drawn, won)
    assert found.ratings.low[0] > found.ratings.high[1]
    assert abs(found.ratings.elo.mean()) < 1e-6
    # The two at random are other players with other numbers: their games against it differ.
    assert (found.moves[0, 1] != found.moves[0, 2]).any()
    wanted = found.to_dict()
    assert wanted["entrants"][0]["name"] == "perfect"
    assert sum(wanted["first_player"].values()) == 3 * 60
    assert 0.75 < found.score(0) <= 1.0


@pytest.mark.parametrize(
    ("entrants", "environment", "settings", "reason"),
    [
        (["random"], "nim", {}, "1 entrant: it takes two"),
        (["random", "random"], "nim", {}, "'random' twice"),
        (["random", "mcts-10"], None, {}, "which game is played.*--env"),
        (["random", "radnom"], "nim", {}, "tournament got player='radnom': it must be random"),
        (["random", "minimax"], "nim", {}, "player='minimax' in Nim"),
        (["random", "mcts-10"], "CartPole-v1", {}, "not a game of two players"),
        (["random", "cem"], "tic-tac-toe", {}, "sequences of its own moves"),
        (["random", UCT(TicTacToe(), n_simulations=4)], "nim", {}, "searches in TicTacToe"),
        (["random", "mcts-10"], "nim", {"games": 7}, "games=7: it must be even"),
        (["random", "mcts-10"], "nim", {"games": 0}, "games=0.*at least 2"),
        (["random", "mcts-10"], "tic-tac-tow", {}, "Did you mean 'tic-tac-toe'"),
    ],
)
def test_refusals(entrants, environment, settings, reason):
    with pytest.raises(UpslopeError, match=reason):
        upslope.tournament(entrants, environment, **settings)


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    """A run, a planner and random moves: tables, JSON, a file; a run of another game is refused."""
    run = str(tmp_path / "run")
    upslope.train("tic-tac-toe", "reinforce", total_timesteps=1000, seeds=1, out=run)
    out = tmp_path / "numbers.json"
    words = ["tournament", run, "random", "--games", "20", "--resamples", "50"]
    assert main([*words, "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "Tournament of tic-tac-toe" in shown.out
    assert "20 of every two, 2 moves at random" in shown.out
    assert f"{run} against random (1 of 1)" in shown.err
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(out.read_text())
    assert main(["tournament", run, "random", "--env", "nim"]) == 2
    assert "was trained in 'tic-tac-toe', in a game of 'nim'" in capsys.readouterr().err
