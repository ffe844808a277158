"""A board as lines of text."""

from __future__ import annotations

from collections.abc import Mapping

from upslope.drawing.board_view import BoardView

STONES = (".", "X", "O")


def board_lines(
    view: BoardView, notes: Mapping[int, str] | None = None, last: int | None = None
) -> list[str]:
    """The rows of a board: X for who began, O for the other, the last stone in brackets.

    Args:
      view: the board.
      notes: of actions: a few letters where their stones would go, such as shares of visits.
      last: the action that was played last, whose stone is shown in brackets.
    """
    cells = [[STONES[int(stone)] for stone in row] for row in view.stones]
    for action, note in (notes or {}).items():
        row, column = view.places[action]
        if row >= 0 and not view.stones[row, column]:
            cells[row][column] = note
    if last is not None:
        row, column = played_at(view, last)
        if row >= 0 and view.stones[row, column]:
            cells[row][column] = f"[{cells[row][column]}]"
    width = max(3, max(len(cell) for row in cells for cell in row)) + 1
    margin = 4 if view.row_names else 0
    lines = []
    for number, row in enumerate(cells):
        shift = " " * int(number * view.slant * width)
        label = f"{view.row_names[number]:>2}  " if margin else ""
        lines.append(label + shift + "".join(f"{cell:^{width}}" for cell in row).rstrip())
    if view.column_names:
        shift = " " * (margin + int(len(cells) * view.slant * width))
        lines.append(shift + "".join(f"{name:^{width}}" for name in view.column_names).rstrip())
    return lines


def played_at(view: BoardView, action: int) -> tuple[int, int]:
    """Where the stone of an action that has been played lies."""
    if not view.columns:
        row, column = view.places[action]
        return int(row), int(column)
    filled = [row for row in range(len(view.stones)) if view.stones[row, action]]
    return (filled[0], action) if filled else (-1, -1)
