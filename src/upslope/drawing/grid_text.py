"""A grid world's policy and values as lines of text."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.number_text import number
from upslope.environments.tabular.grid_layout import GridLayout

# How an action is drawn that leads so far down and to the right.
ARROWS = {(-1, 0): "↑", (0, 1): "→", (1, 0): "↓", (0, -1): "←"}
PLAIN = {(-1, 0): "^", (0, 1): ">", (1, 0): "v", (0, -1): "<"}


def cells_text(
    layout: GridLayout,
    values: ArrayLike,
    actions: ArrayLike,
    terminal: ArrayLike,
    *,
    width: int = 100,
    ascii_only: bool = False,
) -> list[str]:
    """The best moves of every cell, and beside or below them its value.

    A cell with several best moves shows them all; `*` where every move is as good, `#` a wall,
    and the letter of a cell in which episodes end or nobody stays (the cliff's C).

    Args:
      layout: of the grid.
      values: [S].
      actions: bool [S, A]: the best actions.
      terminal: bool [S].
      width: of a line; values, and then moves, are left out where they are wider.
      ascii_only: arrows of ASCII.
    """
    values, actions = np.asarray(values, float), np.asarray(actions, bool)
    ends = np.asarray(terminal, bool)
    rows, columns = layout.walls.shape
    arrows = PLAIN if ascii_only else ARROWS
    order = sorted(
        range(len(layout.moves)), key=lambda action: list(ARROWS).index(layout.moves[action])
    )
    moves = np.empty((rows, columns), object)
    worth = np.empty((rows, columns), object)
    for state, (row, column) in enumerate(np.ndindex(rows, columns)):
        if layout.walls[row, column]:
            moves[row, column], worth[row, column] = "#", "#"
            continue
        worth[row, column] = number(values[state])
        best = "".join(arrows[layout.moves[a]] for a in order if actions[state, a])
        whole = len(best) == len(layout.moves) > 1
        mark = layout.marks.get(state, "*")
        moves[row, column] = mark if ends[state] or mark == "C" else "*" if whole else best
    left, right = _block(moves), _block(worth)
    if max(map(len, left)) + max(map(len, right)) + 4 <= width:
        inner = max(*map(len, left), len("policy")) + 4
        heads = f"{'policy':<{inner}}values"
        return [heads, *(f"{a:<{inner}}{b}" for a, b in zip(left, right, strict=True))]
    policy, numbers = ["policy", *left], ["values", *right]
    fits = [max(map(len, lines)) <= width for lines in (policy, numbers)]
    return [*(policy if fits[0] else []), *(numbers if all(fits) else [])]


def _block(cells: np.ndarray) -> list[str]:
    """Lines of cells, columns aligned."""
    widths = [max(len(cell) for cell in column) for column in cells.T]
    rows = (zip(row, widths, strict=True) for row in cells)
    return ["  ".join(f"{cell:^{width}}" for cell, width in row).rstrip() for row in rows]
