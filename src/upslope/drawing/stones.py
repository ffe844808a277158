"""A board of stones against an opponent: connect four, and pgx's othello, go, hex."""

from __future__ import annotations

import numpy as np

from upslope.drawing.board_view import view_of
from upslope.drawing.canvas import BLUE, FAINT, INK, ORANGE, Canvas
from upslope.environments.games.against_opponent import AgainstOpponent, Match


def draw_stones(environment: AgainstOpponent, state: Match, size: tuple[int, int]) -> Canvas:
    """The stones: discs are the learner's, rings the opponent's."""
    view = view_of(environment.game, state.game)
    assert view is not None
    rows, columns = view.stones.shape
    wide = columns + view.slant * (rows - 1)
    canvas = Canvas(*size, (-0.2, wide + 0.2), (-0.2, rows + 0.2))
    mine = int(state.learner) + 1
    for row in range(rows):
        left, top = view.slant * row, rows - row
        for height in (top, top - 1):
            canvas.line([(left, height), (left + columns, height)], FAINT, 0.03)
        for column in range(columns + 1):
            canvas.line([(left + column, top), (left + column, top - 1)], FAINT, 0.03)
        for column in np.flatnonzero(view.stones[row]):
            centre = np.array([left + column + 0.5, top - 0.5])
            if view.stones[row, column] == mine:
                canvas.disc(centre, 0.36, BLUE)
            else:
                canvas.disc(centre, 0.36, ORANGE, 0.14)
    if bool(environment.game.over(state.game)):
        canvas.line([(0.0, -0.1), (wide, -0.1)], INK, 0.04)
    return canvas
