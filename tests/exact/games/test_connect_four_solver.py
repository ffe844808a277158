"""The connect-four solver: published scores, plain minimax, seeded faults."""

import jax
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.environments import ConnectFour, RandomLegal
from upslope.exact import Board, ConnectFourSolver, error_rate, solved_positions
from upslope.exact.games import connect_four_solver
from upslope.exact.games.connect_four_solver import columns_of, mirror, playable, winning_cells
from upslope.exact.games.solved_positions import random_line

# From the test sets of Pons (2015), "Solving Connect 4": moves, and the score of who is to move.
PUBLISHED = {
    "2252576253462244111563365343671351441": -1,
    "7422341735647741166133573473242566": 1,
    "23163416124767223154467471272416755633": 0,
    "71255763773133525731261364622167124446454": 0,
    "65214673556155731566316327373221417": -1,
    "52677675164321472411331752454": 0,
    "3135151421347443544172316522225776773566": 0,
    "3146762114467714356347741621375222": -1,
    "67152117737262713366376314254": 6,
    "2762751722231276466633475674533": 5,
    "3642756176227637211322113551637574556": 2,
    "427566236745127177115664464254": 2,
    "3575316255751336464276636772271112": -3,
    "51756773145177": -10,
    "1562527227511": 13,
    "43745416472735": -13,
    "74642572132": 15,
}


def plain(own, other, moves):
    """Minimax without any pruning or table, on sets of cells (column, row)."""
    scores = []
    for column in range(7):
        height = sum((column, row) in own or (column, row) in other for row in range(6))
        if height == 6:
            continue
        cell = (column, height)
        mine = own | {cell}
        if any(
            sum(
                all((cell[0] + k * dx, cell[1] + k * dy) in mine for k in range(start, start + 4))
                for start in range(-3, 1)
            )
            for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1))
        ):
            scores.append((43 - moves) // 2)
        elif moves + 1 == 42:
            scores.append(0)
        else:
            scores.append(-plain(other, mine, moves + 1))
    return max(scores)


def cells_of(board):
    """The discs of both players as sets of (column, row)."""

    def cells(word):
        return frozenset((c, r) for c in range(7) for r in range(6) if word >> (7 * c + r) & 1)

    return cells(board.own), cells(board.own ^ board.mask)


def late_boards(n, length, seed=0):
    generator, found = np.random.default_rng(seed), []
    while len(found) < n:
        line = random_line(generator, length)
        if line is not None:
            found.append(Board.after(line))
    return found


def test_published_scores():
    solver = ConnectFourSolver()
    for moves, score in PUBLISHED.items():
        board = Board.after(columns_of(moves))
        assert solver.score(board) == score, moves
        assert solver.value(board) == np.sign(score), moves
        if board.moves < 29:
            continue
        legal = solver.move_scores(board)
        assert np.nanmax(legal) == score, moves
        np.testing.assert_array_equal(solver.move_values(board), np.sign(legal))


def disagreements(solver):
    boards = late_boards(20, 35)
    return sum(solver.score(board) != plain(*cells_of(board), board.moves) for board in boards)


def test_plain_minimax_agrees():
    assert disagreements(ConnectFourSolver()) == 0


@pytest.mark.slow
def test_plain_minimax_sees_seeded_faults(monkeypatch):
    """Diagonals forgotten; bounds of the table taken for values; a cell's danger ignored."""
    monkeypatch.setattr(connect_four_solver, "DIRECTIONS", (7,))
    assert disagreements(ConnectFourSolver()) > 0
    monkeypatch.undo()
    monkeypatch.setattr(connect_four_solver, "LOWER", 0)
    assert disagreements(ConnectFourSolver()) > 0
    monkeypatch.undo()
    monkeypatch.setattr(connect_four_solver, "mirror", lambda key: 0)
    assert disagreements(ConnectFourSolver()) > 0


def test_boards_are_those_of_the_environment():
    """Random games, move by move: legal moves, ends, and the way from the state and back."""
    game = ConnectFour()
    step, reset = jax.jit(game.step), jax.jit(game.reset)
    generator = np.random.default_rng(1)
    for _ in range(6):
        state, _ = reset(jax.random.key(0))
        board = Board()
        while not bool(state.over):
            legal = np.asarray(game.legal_actions(state))
            free = playable(board.mask)
            assert [bool(free >> 7 * c & 0b111111) for c in range(7)] == legal.tolist()
            column = int(generator.choice(np.flatnonzero(legal)))
            wins = bool(winning_cells(board.own, board.mask) & free & 0b111111 << 7 * column)
            state, out = step(jax.random.key(0), state, column)
            board = board.play(column)
            again = Board.of(state)
            assert (again.own, again.mask, again.moves) == (board.own, board.mask, board.moves)
            assert board.won == wins == (float(out.reward) == 1.0)
        assert board.won or board.moves == 42


def test_mirrors():
    line = [3, 3, 0, 6, 1, 5, 5]
    board, turned = Board.after(line), Board.after([6 - column for column in line])
    assert mirror(board.mask) == turned.mask
    assert mirror(board.own) == turned.own
    assert mirror(mirror(board.own)) == board.own


@pytest.mark.slow
def test_solved_positions_and_the_error_rate():
    """The values of the moves by plain minimax; random moves err as often as they have to."""
    found = solved_positions(8, seed=3, least_moves=36, most_moves=37)
    again = solved_positions(8, seed=3, least_moves=36, most_moves=37)
    np.testing.assert_array_equal(found.moves, again.moves)
    for number, line in enumerate(found.moves):
        board = Board.after(line[line >= 0].tolist())
        state = jax.tree.map(lambda leaf, n=number: leaf[n], found.states)
        assert Board.of(state).mask == board.mask
        legal = np.asarray(found.observations["action_mask"][number])
        np.testing.assert_array_equal(legal, ~np.isnan(found.values[number]))
        assert np.sign(plain(*cells_of(board), board.moves)) == np.nanmax(found.values[number])
    best = np.nanmax(found.values, axis=1, keepdims=True)
    bad = (found.values < best).sum(axis=1) / (~np.isnan(found.values)).sum(axis=1)
    rates = [error_rate(RandomLegal(), found, seed=seed) for seed in range(3)]
    assert abs(np.mean(rates) - bad.mean()) < 4.5 * np.sqrt(0.25 / 24)
    assert 0 < np.mean(rates) < 1


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ([0] * 7, "move 7 into column 0: the column is full"),
        ([7], "move 1 into column 7.*0 to 6"),
        ([0, 1, 0, 1, 0, 1, 0, 1], "move 8 into column 1: the game is over"),
    ],
)
def test_moves_that_are_none(moves, reason):
    with pytest.raises(UpslopeError, match=reason):
        Board.after(moves)


def test_a_bound_on_the_search():
    with pytest.raises(UpslopeError, match=r"after 0 moves.*max_positions=50"):
        ConnectFourSolver(max_positions=50).score(Board())
