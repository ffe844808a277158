"""Games on the host: moves, taking back, memories, thoughts, results, pages."""

import jax.numpy as jnp
import numpy as np
import pytest

from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError
from upslope.core.records import Act
from upslope.drawing import board_lines, board_svg, view_of
from upslope.drawing.board_view import facts_of, move_names
from upslope.environments import ConnectFour, Nim, Pig, RandomLegal, TicTacToe
from upslope.planning import UCT, PlanningActor
from upslope.training.game_page import game_html, scalable
from upslope.training.played_game import PlayedGame, Seat


def played(game, moves):
    found = PlayedGame(game)
    for move in moves:
        found.play(move)
    return found


class Counter(Actor):
    """Takes the legal action of its own number of moves, and remembers how many these are."""

    def initial_memory(self):
        return jnp.zeros((), int)

    def act(self, noise, observation, memory):
        legal = observation["action_mask"]
        place = jnp.argmax(jnp.cumsum(legal) > memory)
        return Act(place, memory + 1)


def test_moves_results_and_ends():
    found = played(TicTacToe(), [0, 4, 1, 5, 2])
    assert found.over
    assert found.result == 1
    lost = played(TicTacToe(), [0, 4, 1, 5, 8, 3])  # the second player's middle row
    assert lost.result == -1
    drawn = played(TicTacToe(), [0, 4, 8, 1, 7, 6, 2, 5, 3])
    assert (drawn.over, drawn.result) == (True, 0)
    assert played(TicTacToe(), [0, 4]).result == 0
    with pytest.raises(UpslopeError, match=r"5 is not a legal move here. Legal are: 1, 2, 3, 4, 6"):
        played(TicTacToe(), [4, 4])


def test_taking_back_goes_to_the_players_own_move():
    found = played(TicTacToe(), [0, 4, 1, 5])
    assert found.take_back(0) == 2
    assert [moment.action for moment in found.moments] == [None, 0, 4]
    assert found.mover == 0
    assert found.take_back(0) == 2
    assert found.take_back(0) == 0
    found = played(TicTacToe(), [0])
    assert found.take_back(1) == 0
    assert len(found.moments) == 2


def test_a_seat_forgets_what_was_taken_back():
    """Its move is again that of its first, second, ... turn, as the game has it."""
    found, seat = PlayedGame(TicTacToe()), Seat(Counter(), "counter")
    found.play(8)
    action, thought = seat.choose(found)
    assert (action, thought) == (0, None)
    found.play(action)
    found.play(7)
    second, _ = seat.choose(found)
    found.play(second)
    assert second == 2  # of 1, 2, 3, ...: its second turn
    assert found.take_back(0) == 2
    found.play(6)
    again, _ = seat.choose(found)
    assert again == 2
    assert found.take_back(0) == 1
    assert found.take_back(0) == 2
    found.play(5)
    assert seat.choose(found)[0] == 0  # its first turn once more


@pytest.mark.slow
def test_what_a_search_thinks():
    """With two in a row the winning cell has the visits, and its value is 1."""
    found = played(TicTacToe(), [0, 3, 1, 4])
    seat = Seat(PlanningActor(UCT(TicTacToe(), n_simulations=60)), "mcts-60")
    action, thought = seat.choose(found)
    assert action == 2
    assert thought.values[2] == 1.0
    assert thought.value == 1.0
    assert thought.shares.sum() == pytest.approx(1.0)
    assert (thought.visits[[0, 1, 3, 4]] == 0).all()
    advice = seat.think(found)
    assert advice.values[2] == 1.0
    found.play(action, thought)
    page = game_html(found, ("mcts-60", "you"), "A <game>")
    assert page.count("<figure>") == 6
    assert "mcts-60 won as first player" in page
    assert "A &lt;game&gt;" in page
    for network in ("http://", "https://"):
        assert network not in page.replace("http://www.w3.org/2000/svg", "")


def test_boards():
    """Stones of who began are X whoever is to move; the last one stands in brackets."""
    found = played(ConnectFour(), [3, 3, 2])
    view = view_of(found.game, found.now.state)
    lines = board_lines(view, {3: "50%", 0: "9%"}, last=2)
    assert lines[-1].split() == ["1", "2", "3", "4", "5", "6", "7"]
    assert lines[5].split() == ["9%", ".", "[X]", "X", ".", ".", "."]
    assert lines[4].split() == [".", ".", ".", "O", ".", ".", "."]
    assert lines[3].split()[3] == "50%"
    assert (view.stones == 1).sum() == 2
    svg = board_svg(view, visits=np.array([1, 0, 0, 3, 0, 0, 0]), values=np.full(7, 0.5), last=2)
    assert svg.count('class="board-first"') == 2
    assert svg.count('class="board-second"') == 1
    assert "75%" in svg
    assert svg.count('class="board-note"') == 2
    # The areas of the discs are as the shares.
    radii = [
        float(part.split('"')[0])
        for part in svg.split('class="board-note"')[1:]
        for part in [part.split(' r="')[1]]
    ]
    assert (max(radii) / min(radii)) ** 2 == pytest.approx(3, rel=0.02)


def test_games_without_a_board():
    nim, pig = played(Nim(5), [1]), played(Pig(), [1])
    assert view_of(nim.game, nim.now.state) is None
    assert facts_of(nim.game, nim.now.state) == "heap  | | | (3 left)"
    assert move_names(Pig()) == ["roll", "hold"]
    assert "this turn 0" in facts_of(pig.game, pig.now.state)
    assert "3 left" in game_html(nim, ("a", "b"), "Nim")


def test_pictures_of_pgx_are_scaled():
    drawn = (
        '<svg baseProfile="full" height="300.0" version="1.1" width="325.0" xmlns="x"><g /></svg>'
    )
    assert 'viewBox="0 0 325.0 300.0"' in scalable(drawn)
    assert scalable(scalable(drawn)) == scalable(drawn)
    assert scalable("<svg><g /></svg>") == "<svg><g /></svg>"


def test_illegal_moves_of_an_actor_are_named():
    class Wrong(Actor):
        def act(self, noise, observation, memory):
            return Act(jnp.asarray(4), memory)

    with pytest.raises(UpslopeError, match=r"wrong made the illegal move 4 in TicTacToe.*1, 2, 3"):
        Seat(Wrong(), "wrong").choose(played(TicTacToe(), [4]))
    assert Seat(RandomLegal(), "random").think(played(TicTacToe(), [4])) is None
