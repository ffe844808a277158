"""What the board of a game shows, for text and for pictures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from upslope.core.annotations import EnvironmentState
from upslope.environments.adaptors.pgx import PgxGame
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.games.connect_four import ConnectFour
from upslope.environments.games.nim import Nim
from upslope.environments.games.pig import Pig
from upslope.environments.games.tic_tac_toe import TicTacToe

NOWHERE = (-1, -1)
# pgx's games of stones on a grid: planes 0 and 1 are the mover's stones and the opponent's.
PGX_GRIDS = ("connect_four", "go_19x19", "go_9x9", "hex", "othello", "tic_tac_toe")


class BoardView(NamedTuple):
    """A board of stones; the top row first.

    Attributes:
      stones: [H, W] 1 for a stone of the player who began, 2 of the other, 0 for none.
      places: [A, 2] the row and column where an action puts its stone; -1 for nowhere.
      columns: whether moves are columns rather than cells.
      slant: by how much of a cell each row is shifted against the one above (hex).
      row_names: of the rows, from the top; empty where moves do not speak of rows.
      column_names: of the columns; likewise.
    """

    stones: np.ndarray
    places: np.ndarray
    columns: bool = False
    slant: float = 0.0
    row_names: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()


def has_board(game: AlternatingGame) -> bool:
    """Whether a game is one of stones on a grid."""
    if isinstance(game, PgxGame):
        return game.pgx_name in PGX_GRIDS
    return isinstance(game, TicTacToe | ConnectFour)


def view_of(game: AlternatingGame, state: EnvironmentState) -> BoardView | None:
    """The board of a position; None for games that are not stones on a grid."""
    if not has_board(game):
        return None
    seen = np.asarray(game.observe(state)["board"]) > 0.5
    first, second = (1, 2) if int(game.mover(state)) == 0 else (2, 1)
    stones = np.where(seen[0], first, np.where(seen[1], second, 0))
    n_actions = int(game.action_space.n)
    rows, columns = stones.shape
    places = np.full((n_actions, 2), -1)
    if n_actions == columns and rows > 1:
        empty = (stones == 0).sum(axis=0)
        for column in range(columns):
            if empty[column]:
                places[column] = (empty[column] - 1, column)
        numbers = tuple(str(column + 1) for column in range(columns))
        return BoardView(stones, places, columns=True, column_names=numbers)
    cells = np.arange(min(n_actions, rows * columns))
    places[cells] = np.stack(np.divmod(cells, columns), axis=1)
    if not isinstance(game, PgxGame) or game.pgx_name == "tic_tac_toe":
        return BoardView(stones, places)
    letters, numbers = square_names(game, rows)
    slant = 0.5 if game.pgx_name == "hex" else 0.0
    return BoardView(stones, places, slant=slant, row_names=numbers, column_names=letters)


def square_names(game: PgxGame, side: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Letters of the columns, and numbers of the rows from the top, as players have them."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    if game.pgx_name.startswith("go_"):
        letters = letters.replace("i", "")  # and rows are counted from below
        return tuple(letters[:side]), tuple(str(side - row) for row in range(side))
    return tuple(letters[:side]), tuple(str(row + 1) for row in range(side))


def move_names(game: AlternatingGame) -> list[str]:
    """What people call the actions of a game: columns and cells from 1, squares as `d3`.

    pgx numbers the moves of chess, shogi and backgammon: they keep their numbers.
    """
    n_actions = int(game.action_space.n)
    if isinstance(game, Pig):
        return ["roll", "hold"]
    if not isinstance(game, PgxGame) or game.pgx_name in ("connect_four", "tic_tac_toe"):
        return [str(action + 1) for action in range(n_actions)]
    if game.pgx_name not in PGX_GRIDS:
        return [str(action) for action in range(n_actions)]
    letters, numbers = square_names(game, int(np.sqrt(n_actions)))
    names = [f"{letter}{number}" for number in numbers for letter in letters]
    return names + (["swap"] if game.pgx_name == "hex" else ["pass"])[: n_actions - len(names)]


def facts_of(game: AlternatingGame, state: EnvironmentState) -> str:
    """A line on what no board shows: the heap of Nim, the scores of Pig."""
    if isinstance(game, Nim):
        return f"heap  {'| ' * int(state.left)}({int(state.left)} left)"
    if isinstance(game, Pig):
        own, other = int(state.own), int(state.other)
        scores = (own, other) if int(state.mover) == 0 else (other, own)
        return f"first {scores[0]}, second {scores[1]}, this turn {int(state.turn)}"
    return ""
