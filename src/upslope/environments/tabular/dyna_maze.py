"""The mazes of Dyna: one that stays as it is and two that change under the agent."""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.environment import Environment
from upslope.environments.tabular.finite_mdp import FiniteMDP

if TYPE_CHECKING:
    from gymnasium import spaces

DYNA_MAZE = """
.......#G
..#....#.
S.#....#.
..#......
.....#...
.........
"""
BLOCKING_BEFORE = """
........G
.........
.........
########.
.........
...S.....
"""
BLOCKING_AFTER = """
........G
.........
.........
.########
.........
...S.....
"""
SHORTCUT_AFTER = """
........G
.........
.........
.#######.
.........
...S.....
"""
SHORTCUT_BEFORE = BLOCKING_AFTER
# Row and column offsets of the actions up, down, left, right.
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


class DynaMaze(Environment):
    """The Dyna maze: find the goal, +1 there and 0 elsewhere.

    State and observation are the cell's number, row * columns + column, of a grid of 6 x 9 cells;
    54 numbers, of which the 7 walls are never reached. Actions 0, 1, 2, 3 move up, down, left,
    right; into a wall or out of the grid the agent stays where it is. The goal is terminal.
    From the start the shortest way takes 14 steps, so the best discounted value is gamma^13.

    Attributes:
      walls: bool [rows, columns].
      start: the first cell's number.
      goal: the goal cell's number.
      time_limit: steps. The book has none; a random walk needs 869 on average. Static.

    References:
      Sutton and Barto (2018), example 8.1.
    """

    name: ClassVar[str] = "dyna-maze"
    walls: Bool[Array, "rows columns"] = eqx.field(default_factory=lambda: _walls(DYNA_MAZE))
    start: int | Int[Array, ""] = eqx.field(default_factory=lambda: _cell(DYNA_MAZE, "S"))
    goal: int | Int[Array, ""] = eqx.field(default_factory=lambda: _cell(DYNA_MAZE, "G"))
    time_limit: int | None = eqx.field(static=True, default=5000)

    def reset(self, key: Key) -> tuple[Int[Array, ""], Int[Array, ""]]:
        cell = jnp.asarray(self.start, int)
        return cell, cell

    def step(
        self, key: Key, state: Int[Array, ""], action: Int[Array, ""]
    ) -> tuple[Int[Array, ""], Step]:
        moved = move(self.walls, state, action)
        arrived = state == self.goal
        cell = jnp.where(arrived, state, moved)
        reached = cell == self.goal
        reward = jnp.where(reached & ~arrived, 1.0, jnp.zeros(()))
        return cell, Step(cell, reward, reached)

    def finite_mdp(self) -> FiniteMDP:
        """The same maze as arrays: P [54, 4, 54], R, the start; the goal is the terminal state."""
        states = jnp.arange(self.walls.size)
        actions = jnp.arange(len(MOVES))
        successor = jax.vmap(
            lambda cell: jax.vmap(lambda action: move(self.walls, cell, action))(actions)
        )(states)
        transition = jax.nn.one_hot(successor, self.walls.size)
        start, goal = self.start, self.goal
        reward = jnp.where(successor == goal, 1.0, jnp.zeros(()))
        return FiniteMDP(transition, reward, states == start, states == goal, self.time_limit)

    @property
    def observation_space(self) -> "spaces.Discrete":
        from gymnasium import spaces

        return spaces.Discrete(self.walls.shape[-2] * self.walls.shape[-1])

    @property
    def action_space(self) -> "spaces.Discrete":
        from gymnasium import spaces

        return spaces.Discrete(len(MOVES))


class ChangingState(NamedTuple):
    """Where the agent is and what time it is."""

    cell: Int[Array, ""]
    clock: Int[Array, ""]  # steps taken since the experiment began


class ChangingMaze(Environment):
    """A maze whose walls change once, at a time counted over the whole experiment.

    The book's clock runs on through episodes, so an experiment is **one** episode here: reaching
    the goal earns +1 and puts the agent back at the start, and nothing terminates but the time
    limit, which is the book's number of steps. What is plotted there, the cumulative reward, is
    the return. A value function therefore looks beyond the goal: gamma V(start) is added to
    the 1, which changes no comparison between paths.

    The state is the cell and the clock; observation, actions and moves are those of `DynaMaze`.
    The agent cannot see the clock. Step t (from 0) meets the new walls if t >= `change_time`.

    Attributes:
      walls: bool [rows, columns], at first.
      walls_after: the same, after the change.
      change_time: steps until the walls change.
      start: the first cell's number.
      goal: the goal cell's number.
      time_limit: steps. Static.

    References:
      Sutton and Barto (2018), examples 8.2 and 8.3.
    """

    walls: eqx.AbstractVar[Bool[Array, "rows columns"]]
    walls_after: eqx.AbstractVar[Bool[Array, "rows columns"]]
    change_time: eqx.AbstractVar[int | Int[Array, ""]]
    start: eqx.AbstractVar[int | Int[Array, ""]]
    goal: eqx.AbstractVar[int | Int[Array, ""]]

    def reset(self, key: Key) -> tuple[ChangingState, Int[Array, ""]]:
        cell = jnp.asarray(self.start, int)
        return ChangingState(cell, jnp.zeros((), int)), cell

    def step(
        self, key: Key, state: ChangingState, action: Int[Array, ""]
    ) -> tuple[ChangingState, Step]:
        walls = jnp.where(state.clock >= self.change_time, self.walls_after, self.walls)
        moved = move(walls, state.cell, action)
        reached = moved == self.goal
        cell = jnp.where(reached, self.start, moved).astype(state.cell.dtype)
        reward = jnp.where(reached, 1.0, jnp.zeros(()))
        return ChangingState(cell, state.clock + 1), Step(cell, reward, jnp.zeros((), bool))

    @property
    def observation_space(self) -> "spaces.Discrete":
        from gymnasium import spaces

        return spaces.Discrete(self.walls.shape[-2] * self.walls.shape[-1])

    @property
    def action_space(self) -> "spaces.Discrete":
        from gymnasium import spaces

        return spaces.Discrete(len(MOVES))


class BlockingMaze(ChangingMaze):
    """The short way on the right closes after 1000 steps and a longer one on the left opens.

    See `ChangingMaze` for its attributes and for how episodes and time are counted. The shortest
    ways take 10 steps before and 16 after.

    References:
      Sutton and Barto (2018), example 8.2.
    """

    name: ClassVar[str] = "blocking-maze"
    walls: Bool[Array, "rows columns"] = eqx.field(default_factory=lambda: _walls(BLOCKING_BEFORE))
    walls_after: Bool[Array, "rows columns"] = eqx.field(
        default_factory=lambda: _walls(BLOCKING_AFTER)
    )
    change_time: int | Int[Array, ""] = 1000
    start: int | Int[Array, ""] = eqx.field(default_factory=lambda: _cell(BLOCKING_BEFORE, "S"))
    goal: int | Int[Array, ""] = eqx.field(default_factory=lambda: _cell(BLOCKING_BEFORE, "G"))
    time_limit: int | None = eqx.field(static=True, default=3000)


class ShortcutMaze(ChangingMaze):
    """After 3000 steps a shorter way opens on the right, and the old one stays open.

    See `ChangingMaze` for its attributes and for how episodes and time are counted. The shortest
    ways take 16 steps before and 10 after; only an agent that keeps exploring finds the new one.

    References:
      Sutton and Barto (2018), example 8.3.
    """

    name: ClassVar[str] = "shortcut-maze"
    walls: Bool[Array, "rows columns"] = eqx.field(default_factory=lambda: _walls(SHORTCUT_BEFORE))
    walls_after: Bool[Array, "rows columns"] = eqx.field(
        default_factory=lambda: _walls(SHORTCUT_AFTER)
    )
    change_time: int | Int[Array, ""] = 3000
    start: int | Int[Array, ""] = eqx.field(default_factory=lambda: _cell(SHORTCUT_BEFORE, "S"))
    goal: int | Int[Array, ""] = eqx.field(default_factory=lambda: _cell(SHORTCUT_BEFORE, "G"))
    time_limit: int | None = eqx.field(static=True, default=6000)


def move(
    walls: Bool[Array, "rows columns"], cell: Int[Array, ""], action: Int[Array, ""]
) -> Int[Array, ""]:
    """The cell reached from a cell by a move: itself where a wall or the border is in the way."""
    rows, columns = walls.shape
    offset = jnp.asarray(MOVES, cell.dtype)[action]
    row = jnp.clip(cell // columns + offset[0], 0, rows - 1)
    column = jnp.clip(cell % columns + offset[1], 0, columns - 1)
    return jnp.where(walls[row, column], cell, row * columns + column)


def _walls(drawing: str) -> Array:
    return jnp.asarray([[mark == "#" for mark in line] for line in drawing.split()])


def _cell(drawing: str, mark: str) -> Any:
    return "".join(drawing.split()).index(mark)
