"""Mazes and corridors: cells, walls, the goal and where the agent is."""

from __future__ import annotations

import numpy as np

from upslope.drawing.canvas import BLUE, FAINT, GREEN, GROUND, INK, Canvas
from upslope.environments.tabular.corridor import ShortCorridor
from upslope.environments.tabular.dyna_maze import ChangingMaze, ChangingState, DynaMaze


def draw_maze(environment: DynaMaze, state: np.ndarray, size: tuple[int, int]) -> Canvas:
    """A maze with the agent in the cell of that number."""
    places = {"S": int(environment.start), "G": int(environment.goal)}
    return draw_cells(np.asarray(environment.walls), places, int(state), size)


def draw_changing_maze(
    environment: ChangingMaze, state: ChangingState, size: tuple[int, int]
) -> Canvas:
    """A maze with the walls that the agent meets at this time."""
    changed = int(state.clock) >= int(environment.change_time)
    walls = environment.walls_after if changed else environment.walls
    places = {"S": int(environment.start), "G": int(environment.goal)}
    return draw_cells(np.asarray(walls), places, int(state.cell), size)


def draw_corridor(environment: ShortCorridor, state: np.ndarray, size: tuple[int, int]) -> Canvas:
    """The three cells and the goal; in the second, actions are switched."""
    return draw_cells(np.zeros((1, 4), bool), {"S": 0, "switched": 1, "G": 3}, int(state), size)


def draw_cells(
    walls: np.ndarray, places: dict[str, int], agent: int, size: tuple[int, int]
) -> Canvas:
    """A grid.

    Args:
      walls: bool [rows, columns].
      places: words to the numbers of the cells that they stand in.
      agent: the number of its cell, row * columns + column.
      size: width and height, pixels.
    """
    rows, columns = walls.shape
    canvas = Canvas(*size, (-0.3, columns + 0.3), (-rows - 0.3, 0.3))
    for row, column in np.ndindex(rows, columns):
        color = INK if walls[row, column] else GROUND
        low = (column + 0.04, -row - 0.96)
        canvas.box(low, (column + 0.96, -row - 0.04), color, 0.08)
    for word, cell in places.items():
        row, column = divmod(cell, columns)
        if word == "G":
            canvas.box((column + 0.04, -row - 0.96), (column + 0.96, -row - 0.04), GREEN, 0.08)
        height = min(0.5, 1.4 / len(word))
        color = "white" if word == "G" else FAINT
        canvas.text((column + 0.5, -row - 0.5), word, height, color)
    row, column = divmod(agent, columns)
    canvas.disc((column + 0.5, -row - 0.5), 0.3, "white")
    canvas.disc((column + 0.5, -row - 0.5), 0.26, BLUE)
    return canvas
