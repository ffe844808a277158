"""A number for every state of a grid, and what a policy does there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError
from upslope.environments.environment import Environment
from upslope.environments.tabular.dyna_maze import MOVES
from upslope.environments.tabular.grid_layout import GridLayout, grid_of
from upslope.plots.drawing import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from upslope.environments.adaptors.gymnasium import GymnasiumSpec
    from upslope.planning.dynamic_programming.solution import Solution

# Down and to the right, of each of a maze's four actions and of a row's two.
DIRECTIONS = {4: MOVES, 2: ((0, -1), (0, 1))}
# Letters that are drawn on a disc of their own, and those that are only written.
ON_DISC = "SG"
# Where nobody moves: at the goal, and on the cliff, where nobody stays.
STILL = "GC"


def state_map(
    environment: Environment | GymnasiumSpec | GridLayout,
    numbers: ArrayLike,
    label: str,
    policy: ArrayLike | None = None,
    title: str = "",
) -> Figure:
    """A matplotlib figure: the states of a maze or a corridor, coloured by a number each.

    Values V, occupancies, visits: anything [S]. With a policy, arrows as long as the probabilities
    of the moves.

    Args:
      environment: a grid world (mazes, FrozenLake, CliffWalking) or its layout; the states of
        others are drawn in a row.
      numbers: [S]; NaN for states that have none, which stay white.
      label: what they are, with the unit.
      policy: probabilities [S, A] of the grid's moves; in a row A = 4 (a maze's) or 2 (left,
        right).
      title: of the figure.

    Raises:
      UpslopeError: matplotlib is not installed; numbers or probabilities of another shape.
    """
    figure_class = require_matplotlib()
    numbers = np.asarray(numbers, float)
    layout = grid_of(environment)
    if layout is None:
        layout = GridLayout(np.zeros((1, numbers.size), bool), {}, ())
    walls = layout.walls
    rows, columns = walls.shape
    if numbers.shape != (walls.size,):
        raise UpslopeError(
            f"state_map got numbers of shape {numbers.shape} for {walls.size} states: it must be "
            f"({walls.size},)."
        )
    figure = figure_class(figsize=(1.2 + 0.8 * columns, 1.3 + 0.75 * rows), layout="constrained")
    axes = figure.add_subplot()
    numbers = numbers.reshape(rows, columns)
    shown = np.ma.array(numbers, mask=walls | np.isnan(numbers))
    from matplotlib import colormaps

    axes.imshow(np.where(walls, 0.25, 1.0), cmap="gray", vmin=0.0, vmax=1.0)
    image = axes.imshow(shown, cmap=colormaps["cividis"].with_extremes(bad=(0, 0, 0, 0)))
    figure.colorbar(image, ax=axes, label=label, shrink=0.85, aspect=15 if rows > 1 else 5)
    for place, mark in layout.marks.items():
        row, column = divmod(place, columns)
        disc = {"boxstyle": "circle,pad=0.15", "fc": "0.1", "ec": "none"}
        font = {"color": "w", "fontsize": 13, "fontweight": "bold"}
        bbox = disc if mark in ON_DISC else None
        axes.text(column, row, mark, ha="center", va="center", bbox=bbox, **font)
    if policy is not None:
        _arrows(axes, np.asarray(policy, float), layout)
    axes.set_xticks(np.arange(columns + 1) - 0.5, [])
    axes.set_yticks(np.arange(rows + 1) - 0.5, [])
    axes.grid(color="w", linewidth=1)
    axes.tick_params(length=0)
    axes.set_title(title, loc="left", fontsize=10)
    return figure


def solution_map(layout: GridLayout, solution: Solution, name: str) -> Figure:
    """A matplotlib figure: the values of a grid world's states and the optimal moves.

    Equally good moves have arrows of equal length.

    Args:
      layout: of the grid.
      solution: without a horizon.
      name: of the environment.

    Raises:
      UpslopeError: matplotlib is not installed, or the solution depends on the time.
    """
    if solution.horizon is not None:
        raise UpslopeError(
            "solution_map got a solution over a horizon, whose policy depends on the time: draw "
            "one step of it, state_map(environment, solution.values[step], ...)."
        )
    n_cells = layout.n_states
    best = np.asarray(solution.optimal_actions[:n_cells], float)
    best = best / best.sum(axis=1, keepdims=True)
    best[solution.terminal[:n_cells]] = 0.0
    title = f"{name}: optimal values and moves, gamma {solution.gamma:g}"
    return state_map(layout, solution.values[:n_cells], "value", best, title)


def _arrows(axes: Axes, policy: np.ndarray, layout: GridLayout) -> None:
    walls = layout.walls
    n_actions = policy.shape[1] if policy.ndim == 2 else 0
    moves = layout.moves or DIRECTIONS.get(n_actions, ())
    if policy.ndim != 2 or policy.shape[0] != walls.size or n_actions != len(moves) or not moves:
        raise UpslopeError(
            f"state_map got a policy of shape {policy.shape}: it must be ({walls.size}, "
            f"{len(layout.moves) or 4})" + (f", or ({walls.size}, 2)." if not layout.moves else ".")
        )
    columns = walls.shape[1]
    still = [state for state, mark in layout.marks.items() if mark in STILL]
    head = {"arrowstyle": "-|>", "mutation_scale": 7, "shrinkA": 0, "shrinkB": 0}
    for state in np.flatnonzero(~walls.ravel()):
        if state in still:
            continue
        row, column = divmod(int(state), columns)
        for chance, (down, right) in zip(policy[state], moves, strict=True):
            if chance > 0.02:
                axes.annotate(
                    "",
                    (column + 0.45 * chance * right, row + 0.45 * chance * down),
                    (column, row),
                    arrowprops={"color": "w", "lw": 1.2, **head},
                )
