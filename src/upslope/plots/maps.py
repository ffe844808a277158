"""A number for every state of a grid, and what a policy does there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError
from upslope.environments.environment import Environment
from upslope.environments.tabular.dyna_maze import MOVES
from upslope.plots.drawing import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Down and to the right, of each of a maze's four actions and of a corridor's two.
DIRECTIONS = {4: MOVES, 2: ((0, -1), (0, 1))}


def state_map(
    environment: Environment,
    numbers: ArrayLike,
    label: str,
    policy: ArrayLike | None = None,
    title: str = "",
) -> Figure:
    """A matplotlib figure: the states of a maze or a corridor, coloured by a number each.

    Values V, occupancies, visits: anything [S]. With a policy, arrows as long as the probabilities
    of the moves.

    Args:
      environment: with `walls` [rows, columns] (`DynaMaze`), or states in a row.
      numbers: [S]; NaN for states that have none, which stay white.
      label: what they are, with the unit.
      policy: probabilities [S, A], A = 4 (a maze's actions) or 2 (left, right).
      title: of the figure.

    Raises:
      UpslopeError: matplotlib is not installed; numbers or probabilities of another shape.
    """
    figure_class = require_matplotlib()
    numbers = np.asarray(numbers, float)
    walls = np.asarray(getattr(environment, "walls", np.zeros((1, numbers.size), bool)))
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
    for name, mark in (("start", "S"), ("goal", "G")):
        place = getattr(environment, name, None)
        if place is not None:
            row, column = divmod(int(np.asarray(place)), columns)
            disc = {"boxstyle": "circle,pad=0.15", "fc": "0.1", "ec": "none"}
            font = {"color": "w", "fontsize": 13, "fontweight": "bold"}
            axes.text(column, row, mark, ha="center", va="center", bbox=disc, **font)
    if policy is not None:
        _arrows(
            axes,
            np.asarray(policy, float),
            walls,
            int(np.asarray(getattr(environment, "goal", -1))),
        )
    axes.set_xticks(np.arange(columns + 1) - 0.5, [])
    axes.set_yticks(np.arange(rows + 1) - 0.5, [])
    axes.grid(color="w", linewidth=1)
    axes.tick_params(length=0)
    axes.set_title(title, loc="left", fontsize=10)
    return figure


def _arrows(axes: Axes, policy: np.ndarray, walls: np.ndarray, goal: int) -> None:
    if policy.ndim != 2 or policy.shape[0] != walls.size or policy.shape[1] not in DIRECTIONS:
        raise UpslopeError(
            f"state_map got a policy of shape {policy.shape}: it must be ({walls.size}, 4), or "
            f"({walls.size}, 2) for a row of states."
        )
    columns = walls.shape[1]
    head = {"arrowstyle": "-|>", "mutation_scale": 7, "shrinkA": 0, "shrinkB": 0}
    for state in np.flatnonzero(~walls.ravel()):
        if state == goal:
            continue
        row, column = divmod(int(state), columns)
        for chance, (down, right) in zip(policy[state], DIRECTIONS[policy.shape[1]], strict=True):
            if chance > 0.02:
                axes.annotate(
                    "",
                    (column + 0.45 * chance * right, row + 0.45 * chance * down),
                    (column, row),
                    arrowprops={"color": "w", "lw": 1.2, **head},
                )
