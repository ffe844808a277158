"""Tic-tac-toe against an opponent."""

from __future__ import annotations

import numpy as np

from upslope.drawing.canvas import BLUE, FAINT, INK, ORANGE, Canvas
from upslope.environments.games.against_opponent import AgainstOpponent, Match


def draw_board(environment: AgainstOpponent, state: Match, size: tuple[int, int]) -> Canvas:
    """The stones: crosses are the learner's, rings the opponent's."""
    position = state.game
    learners_turn = int(position.mover) == int(state.learner)
    mine, theirs = (
        (position.own, position.other) if learners_turn else (position.other, position.own)
    )
    canvas = Canvas(*size, (-0.2, 3.2), (-0.2, 3.2))
    for at in (1, 2):
        canvas.line([(at, 0.08), (at, 2.92)], FAINT, 0.04)
        canvas.line([(0.08, at), (2.92, at)], FAINT, 0.04)
    for cell in range(9):
        row, column = divmod(cell, 3)
        centre = np.array([column + 0.5, 2.5 - row])
        if bool(theirs[cell]):
            canvas.disc(centre, 0.3, ORANGE, 0.09)
        if bool(mine[cell]):
            for way in ((0.26, 0.26), (0.26, -0.26)):
                canvas.line([centre - way, centre + way], BLUE, 0.09)
    if bool(position.over):
        canvas.line([(0.0, -0.1), (3.0, -0.1)], INK, 0.03)
    return canvas
