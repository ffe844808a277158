"""Exact values of connect-four positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from upslope.core.checks import UpslopeError, check_number
from upslope.environments.games.connect_four import COLUMNS, FIRST_OF_RIGHT, ROWS, Discs

# A board is one whole number: seven bits a column from the bottom up, the seventh always empty,
# so that no line runs from the top of a column into the next.
HEIGHT = ROWS + 1
CELLS = ROWS * COLUMNS
COLUMN = (1 << ROWS) - 1
BOTTOM = sum(1 << HEIGHT * column for column in range(COLUMNS))
FULL = BOTTOM * COLUMN
COLUMN_MASKS = tuple(COLUMN << HEIGHT * column for column in range(COLUMNS))
ORDER = (3, 2, 4, 1, 5, 0, 6)  # the middle first
MIDDLE_OUT = tuple(COLUMN_MASKS[column] for column in ORDER)
DIRECTIONS = (HEIGHT, HEIGHT - 1, HEIGHT + 1)
# What a bound in the table adds to a score, so that lower and upper ones are told apart.
LOWER = 1000


class ConnectFourSolver:
    r"""Solves connect four by alpha-beta search on bitboards: exact values, host code.

    The score of a position is how early the mover wins or loses under perfect play: a win with its
    k-th last disc of 21 is worth k, a loss -k, a draw 0 (so a win on the spot after n moves is
    worth (43 - n) // 2). Its sign is the value of the game. Null windows narrow the score down;
    moves that lose at once are never tried, those that make most threats come first, and a table
    keeps bounds of positions and their mirror images.

    From some 16 moves on a position takes milliseconds to seconds, the fewer the more has been
    played; an empty board would take hours.

    Args:
      max_positions: searched for one score, at most; None for no bound.
      table_size: bounds that are kept; a full table is emptied.

    Raises:
      UpslopeError: a bound below 1; from a score: more positions than that.

    References:
      Knuth and Moore (1975), "An Analysis of Alpha-Beta Pruning"; Tromp (2008), "John's Connect
      Four Playground"; Pons (2015), "Solving Connect 4", whose scores these are.
    """

    def __init__(self, max_positions: int | None = None, table_size: int = 2_000_000) -> None:
        owner = "ConnectFourSolver"
        if max_positions is not None:
            check_number(owner, "max_positions", max_positions, at_least=1, integer=True)
        check_number(owner, "table_size", table_size, at_least=1, integer=True)
        self.max_positions = max_positions
        self.table_size = table_size
        self.positions = 0  # searched for the last score
        self._asked = 0  # discs of the position of the last score
        self._table: dict[int, int] = {}

    def score(self, board: Board) -> int:
        """The score of a position that is not over, from the mover's side."""
        if self.wins_on_the_spot(board):
            return (CELLS + 1 - board.moves) // 2
        return self._between(board, -(CELLS - board.moves) // 2, (CELLS + 1 - board.moves) // 2)

    def value(self, board: Board) -> int:
        """1 if the mover wins under perfect play, -1 if it loses, 0 for a draw."""
        if self.wins_on_the_spot(board):
            return 1
        found = self._between(board, -1, 1)
        return (found > 0) - (found < 0)

    def move_scores(self, board: Board) -> np.ndarray:
        """The scores [7] of the moves, from the mover's side; NaN where a column is full."""
        return self._of_moves(board, exactly=True)

    def move_values(self, board: Board) -> np.ndarray:
        """The values [7] of the moves, 1, 0 or -1; NaN where a column is full."""
        return self._of_moves(board, exactly=False)

    def wins_on_the_spot(self, board: Board) -> bool:
        """Whether the mover has a move that makes four."""
        return bool(winning_cells(board.own, board.mask) & playable(board.mask))

    def _of_moves(self, board: Board, exactly: bool) -> np.ndarray:
        found = np.full(COLUMNS, np.nan)
        wins = winning_cells(board.own, board.mask) & playable(board.mask)
        for column in range(COLUMNS):
            after = board.play(column)
            if after is None:
                continue
            if wins & COLUMN_MASKS[column]:
                found[column] = (CELLS + 1 - board.moves) // 2 if exactly else 1
            elif after.moves < CELLS:
                found[column] = -(self.score(after) if exactly else self.value(after))
            else:
                found[column] = 0
        return found

    def _between(self, board: Board, low: int, high: int) -> int:
        """The score within [low, high], by null windows; nobody wins on the spot."""
        self.positions, self._asked = 0, board.moves
        while low < high:
            middle = low + (high - low) // 2
            # Where the draw is still possible, ask about it first: most of the work is saved.
            if middle <= 0 and low // 2 < middle:
                middle = low // 2
            elif middle >= 0 and high // 2 > middle:
                middle = high // 2
            found = self._search(board.own, board.mask, board.moves, middle, middle + 1)
            if found <= middle:
                high = found
            else:
                low = found
        return low

    def _search(self, own: int, mask: int, moves: int, low: int, high: int) -> int:
        """Negamax within (low, high), of a position in which nobody wins on the spot."""
        self.positions += 1
        if self.max_positions is not None and self.positions > self.max_positions:
            raise UpslopeError(
                f"ConnectFourSolver got a position after {self._asked} moves that takes more than "
                f"max_positions={self.max_positions:,} positions: give it a later one or more."
            )
        other = own ^ mask
        open_cells = (mask + BOTTOM) & FULL
        threats = winning_cells(other, mask)
        forced = open_cells & threats
        if forced:
            if forced & (forced - 1):
                return -((CELLS - moves) // 2)
            open_cells = forced
        moves_left = open_cells & ~(threats >> 1)  # not below a winning cell of the opponent
        if not moves_left:
            return -((CELLS - moves) // 2)
        if moves >= CELLS - 2:
            return 0
        least = -((CELLS - 2 - moves) // 2)  # the opponent cannot win with the next disc
        if low < least:
            low = least
            if low >= high:
                return low
        most = (CELLS - 1 - moves) // 2
        key = own + mask + BOTTOM
        mirrored = mirror(key)
        key = min(key, mirrored)
        bound = self._table.get(key)
        if bound is not None:
            if bound > LOWER // 2:
                least = bound - LOWER
                if low < least:
                    low = least
                    if low >= high:
                        return low
            elif bound < most:
                most = bound
        if high > most:
            high = most
            if low >= high:
                return high
        tries = []
        for place, column in enumerate(MIDDLE_OUT):
            move = moves_left & column
            if move:
                tries.append((-winning_cells(own | move, mask | move).bit_count(), place, move))
        tries.sort()
        for _, _, move in tries:
            found = -self._search(other, mask | move, moves + 1, -high, -low)
            if found >= high:
                self._keep(key, found + LOWER)
                return found
            if found > low:
                low = found
        self._keep(key, low)
        return low

    def _keep(self, key: int, bound: int) -> None:
        if len(self._table) >= self.table_size:
            self._table.clear()
        self._table[key] = bound


class Board:
    """A connect-four position as two whole numbers.

    Attributes:
      own: the mover's discs.
      mask: all discs.
      moves: how many there are.
    """

    __slots__ = ("mask", "moves", "own")

    def __init__(self, own: int = 0, mask: int = 0) -> None:
        self.own, self.mask, self.moves = own, mask, mask.bit_count()

    @classmethod
    def after(cls, moves: Iterable[int]) -> Board:
        """The position after moves into columns 0 to 6.

        Raises:
          UpslopeError: a column is full or none, or the game is over before the last move.
        """
        board, played = cls(), list(moves)
        for number, column in enumerate(played):
            following = board.play(column) if 0 <= column < COLUMNS else None
            if following is None or board.won:
                why = "the game is over" if board.won else "the column is full or none"
                raise UpslopeError(
                    f"Board.after got move {number + 1} into column {column}: {why}. Columns are "
                    "0 to 6."
                )
            board = following
        return board

    @classmethod
    def of(cls, state: Discs) -> Board:
        """The position of a state of `ConnectFour`."""
        own = joined(int(state.own_left), int(state.own_right))
        return cls(own, own | joined(int(state.other_left), int(state.other_right)))

    @property
    def won(self) -> bool:
        """Whether the player who has just moved has four in a row."""
        discs = self.own ^ self.mask
        for shift in (1, *DIRECTIONS):
            pairs = discs & (discs >> shift)
            if pairs & (pairs >> 2 * shift):
                return True
        return False

    def play(self, column: int) -> Board | None:
        """The position after a move; None where the column is full."""
        move = (self.mask + BOTTOM) & COLUMN_MASKS[column]
        return Board(self.own ^ self.mask, self.mask | move) if move else None


def winning_cells(discs: int, mask: int) -> int:
    """The empty cells, playable now or later, that make four of a player's discs."""
    found = (discs << 1) & (discs << 2) & (discs << 3)
    for shift in DIRECTIONS:
        pairs = (discs << shift) & (discs << 2 * shift)
        found |= pairs & ((discs << 3 * shift) | (discs >> shift))
        pairs = (discs >> shift) & (discs >> 2 * shift)
        found |= pairs & ((discs << shift) | (discs >> 3 * shift))
    return found & (FULL ^ mask)


def playable(mask: int) -> int:
    """The lowest empty cell of every column."""
    return (mask + BOTTOM) & FULL


def mirror(key: int) -> int:
    """A board of columns of seven bits, the first column last."""
    column = (1 << HEIGHT) - 1
    return (
        (key & column) << 42
        | (key & column << 7) << 28
        | (key & column << 14) << 14
        | key & column << 21
        | (key & column << 28) >> 14
        | (key & column << 35) >> 28
        | key >> 42
    )


def joined(left: int, right: int) -> int:
    """A player's two words of `ConnectFour`, as one board."""
    board = 0
    for column in range(COLUMNS):
        word, place = (left, column) if column < 5 else (right, column - FIRST_OF_RIGHT)
        board |= (word >> ROWS * place & COLUMN) << HEIGHT * column
    return board


def columns_of(text: str) -> Sequence[int]:
    """Moves as they are published: the digits 1 to 7, the leftmost column is 1."""
    return [int(digit) - 1 for digit in text]
