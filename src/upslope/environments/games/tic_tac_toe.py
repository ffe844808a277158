"""Tic-tac-toe: three in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Int

from upslope.core import tree
from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.games.symmetries import Symmetries, as_tuples, turns_and_mirrors

if TYPE_CHECKING:
    from gymnasium import spaces

# The eight rows, columns and diagonals, as masks of the nine cells.
LINES = np.zeros((8, 9), bool)
for _number, _line in enumerate(
    [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]
):
    LINES[_number, list(_line)] = True


class Position(NamedTuple):
    """A position of tic-tac-toe, from the side of the player who is to move."""

    own: Bool[Array, " 9"]  # the mover's stones
    other: Bool[Array, " 9"]  # the opponent's
    mover: Int[Array, ""]  # 0 for the player who began
    over: Bool[Array, ""]


class TicTacToe(AlternatingGame):
    r"""Tic-tac-toe: who first has three stones in a row wins (+1), a full board is a draw (0).

    Action a puts a stone into cell a, row by row. The observation is a dictionary: `board`
    [2, 3, 3], the mover's stones and the opponent's as zeros and ones; `side_to_move`, 0 for the
    player who began; `action_mask` [9]. With perfect play it is a draw. There are 5,478 positions.

    Attributes:
      time_limit: None: after nine moves the board is full.

    References:
      Crowley and Siegler (1993); Wikipedia, "Tic-tac-toe".
    """

    name: ClassVar[str] = "TicTacToe"
    time_limit: int | None = eqx.field(static=True, default=9)

    def reset(self, key: Key) -> tuple[Position, dict[str, Array]]:
        empty = jnp.zeros(9, bool)
        position = Position(empty, empty, jnp.zeros((), int), jnp.zeros((), bool))
        return position, self.observe(position)

    def step(self, key: Key, state: Position, action: Int[Array, ""]) -> tuple[Position, Step]:
        cell = jnp.arange(9) == action
        legal = jnp.any(cell & ~state.own & ~state.other)
        own = state.own | cell
        won = legal & jnp.any(jnp.all(own[None] | ~LINES, axis=-1))
        full = jnp.all(own | state.other)
        reward = jnp.where(won, 1.0, jnp.where(legal, 0.0, -jnp.ones(())))
        after = Position(
            state.other, jnp.where(legal, own, state.own), 1 - state.mover, won | full | ~legal
        )
        # The end is absorbing: nothing moves and nothing is earned.
        after = tree.where(state.over, state, after)
        reward = jnp.where(state.over, 0.0, reward)
        return after, Step(self.observe(after), reward, after.over, -jnp.ones(()))

    def observe(self, state: Position) -> dict[str, Array]:
        board = jnp.stack([state.own, state.other]).reshape(2, 3, 3)
        return {
            "action_mask": self.action_mask(state),
            "board": board.astype(jnp.zeros(()).dtype),
            "side_to_move": state.mover,
        }

    def legal_actions(self, state: Position) -> Bool[Array, " 9"]:
        return ~(state.own | state.other | state.over)

    def state_of(self, observation: dict[str, Array]) -> Position:
        own, other = observation["board"].reshape(2, 9) > 0.5
        lines = jnp.stack([own, other])[:, None] | ~LINES[None]
        over = jnp.any(jnp.all(lines, axis=-1)) | jnp.all(own | other)
        return Position(own, other, jnp.asarray(observation["side_to_move"], int), over)

    @property
    def symmetries(self) -> Symmetries:
        """The four turns of the square, and their mirror images."""
        cells = as_tuples(turns_and_mirrors(3))
        return Symmetries(cells, cells)

    def mover(self, state: Position) -> Int[Array, ""]:
        return state.mover

    def over(self, state: Position) -> Bool[Array, ""]:
        return state.over

    @property
    def observation_space(self) -> spaces.Dict:
        from gymnasium import spaces

        return spaces.Dict(
            {
                "action_mask": spaces.MultiBinary(9),
                "board": spaces.Box(0.0, 1.0, (2, 3, 3), np.float32),
                "side_to_move": spaces.Discrete(2),
            }
        )

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(9)


def tic_tac_toe(play_as: str = "random", opponent: str = "random") -> Any:
    """Tic-tac-toe against a fixed opponent, as a task for one learner.

    Args:
      play_as: "first", "second" or "random": which side the learner plays.
      opponent: "random" for legal moves at random, "minimax" for perfect play (among equally good
        moves at random).

    Raises:
      UpslopeError: another word.
    """
    from upslope.core.checks import check_choice
    from upslope.environments.games.against_opponent import AgainstOpponent
    from upslope.environments.games.minimax import tic_tac_toe_minimax
    from upslope.environments.games.random_legal import RandomLegal

    opponents = {"random": RandomLegal, "minimax": tic_tac_toe_minimax}
    check_choice("tic-tac-toe", "opponent", opponent, opponents)
    return AgainstOpponent(game=TicTacToe(), opponent=opponents[opponent](), play_as=play_as)
