"""Which states of a grid world lie where, and which way its actions lead."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from upslope.core.said_once import close_quietly
from upslope.environments.tabular.corridor import ShortCorridor
from upslope.environments.tabular.dyna_maze import MOVES

if TYPE_CHECKING:
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec
    from upslope.environments.environment import Environment

# Down and to the right: the order of actions in FrozenLake and in CliffWalking.
LEFT_FIRST = ((0, -1), (1, 0), (0, 1), (-1, 0))
CLOCKWISE = ((-1, 0), (0, 1), (1, 0), (0, -1))


@dataclasses.dataclass(frozen=True, eq=False)
class GridLayout:
    """A grid whose cell in a row and a column is the state row * columns + column.

    Attributes:
      walls: bool [rows, columns]: cells that are never entered.
      marks: letters by state: S a start, G a goal, H a hole, C the cliff.
      moves: how far down and to the right each action leads.
    """

    walls: np.ndarray
    marks: Mapping[int, str]
    moves: tuple[tuple[int, int], ...]

    @property
    def n_states(self) -> int:
        """How many cells."""
        return self.walls.size


def grid_of(
    environment: Environment | GymnasiumSpec | GridLayout | None,
) -> GridLayout | None:
    """The layout of a grid world: mazes, the corridor, FrozenLake and CliffWalking.

    None for every other environment.
    """
    if isinstance(environment, GridLayout):
        return environment
    walls = getattr(environment, "walls", None)
    if walls is not None and np.ndim(walls) == 2:
        marks = {
            int(np.asarray(getattr(environment, name))): letter
            for name, letter in (("start", "S"), ("goal", "G"))
            if getattr(environment, name, None) is not None
        }
        return GridLayout(np.asarray(walls, bool), marks, MOVES)
    if isinstance(environment, ShortCorridor):
        return GridLayout(np.zeros((1, 4), bool), {0: "S", 3: "G"}, ((0, -1), (0, 1)))
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec

    return _of_simulator(environment) if isinstance(environment, GymnasiumSpec) else None


def _of_simulator(environment: GymnasiumSpec) -> GridLayout | None:
    env: Any = environment.build()
    try:
        inner = env.unwrapped
        kind = type(inner).__name__
        if kind == "FrozenLakeEnv":
            desc = np.asarray(inner.desc, "U1")
            marks = {i: str(mark) for i, mark in enumerate(desc.ravel()) if mark in "SGH"}
            return GridLayout(np.zeros(desc.shape, bool), marks, LEFT_FIRST)
        if kind == "CliffWalkingEnv":
            cliff = np.asarray(inner._cliff)
            marks = {int(cell): "C" for cell in np.flatnonzero(cliff)}
            marks |= {int(inner.start_state_index): "S", cliff.size - 1: "G"}
            return GridLayout(np.zeros(cliff.shape, bool), marks, CLOCKWISE)
        return None
    finally:
        close_quietly(env, environment.id)
