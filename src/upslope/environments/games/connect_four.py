"""Connect four, on bitboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, UInt32

from upslope.core import tree
from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.games.alternating_game import AlternatingGame

if TYPE_CHECKING:
    from gymnasium import spaces

    from upslope.environments.games.against_opponent import AgainstOpponent

ROWS, COLUMNS = 6, 7
# A board is two overlapping words of five columns, six bits each from the bottom cell upwards:
# columns 0 to 4 and columns 2 to 6. Every four in a row lies within one of the two.
FIRST_COLUMN = np.array([0, 2])
_bottom = np.zeros((COLUMNS, 2), np.uint32)  # of each column, its lowest cell in both words
for _word, _first in enumerate(FIRST_COLUMN):
    for _column in range(_first, _first + 5):
        _bottom[_column, _word] = 1 << (ROWS * (_column - _first))
BOTTOM = _bottom
TOP = BOTTOM << (ROWS - 1)
FULL = TOP.sum(axis=0, dtype=np.uint32)
LOW_ROWS = np.uint32(sum(0b000111 << (ROWS * column) for column in range(5)))
HIGH_ROWS = np.uint32(sum(0b111000 << (ROWS * column) for column in range(5)))


class Discs(NamedTuple):
    """A position of connect four, from the side of the player who is to move."""

    own: UInt32[Array, " 2"]  # the mover's discs, as two words
    other: UInt32[Array, " 2"]  # the opponent's
    mover: Int[Array, ""]  # 0 for the player who began
    over: Bool[Array, ""]


class ConnectFour(AlternatingGame):
    r"""Connect four: who first has four discs in a row wins (+1), a full board is a draw (0).

    Action a drops a disc into column a of a board with seven columns and six rows. The observation
    is a dictionary: `board` [2, 6, 7], the mover's discs and the opponent's as zeros and ones, the
    top row first; `side_to_move`, 0 for the player who began; `action_mask` [7]. With perfect play
    the player who begins wins, in the middle. There are 4,531,985,219,092 positions.

    Attributes:
      time_limit: 42 moves fill the board. Static.

    References:
      Allis (1988), "A Knowledge-Based Approach of Connect-Four".
    """

    name: ClassVar[str] = "ConnectFour"
    time_limit: int | None = eqx.field(static=True, default=ROWS * COLUMNS)

    def reset(self, key: Key) -> tuple[Discs, dict[str, Array]]:
        empty = jnp.zeros(2, jnp.uint32)
        position = Discs(empty, empty, jnp.zeros((), int), jnp.zeros((), bool))
        return position, self.observe(position)

    def step(self, key: Key, state: Discs, action: Int[Array, ""]) -> tuple[Discs, Step]:
        occupied = state.own | state.other
        bottom = jnp.asarray(BOTTOM)[action]
        column = bottom * np.uint32(2**ROWS - 1)
        # Discs fill a column from below: adding its lowest cell carries to the first empty one.
        cell = ((occupied & column) + bottom) & column
        legal = jnp.any(cell != 0)
        own = state.own | cell
        won = legal & jnp.any(has_four(own))
        full = jnp.all(((own | state.other) & FULL) == FULL)
        reward = jnp.where(won, 1.0, jnp.where(legal, 0.0, -jnp.ones(())))
        after = Discs(state.other, own, 1 - state.mover, won | full | ~legal)
        # The end is absorbing: nothing moves and nothing is earned.
        after = tree.where(state.over, state, after)
        reward = jnp.where(state.over, 0.0, reward)
        return after, Step(self.observe(after), reward, after.over, -jnp.ones(()))

    def observe(self, position: Discs) -> dict[str, Array]:
        """What the player who is to move sees."""
        return {
            "action_mask": self.action_mask(position),
            "board": jnp.stack([cells(position.own), cells(position.other)]),
            "side_to_move": position.mover,
        }

    def legal_actions(self, state: Discs) -> Bool[Array, " 7"]:
        occupied = (state.own | state.other)[None] & TOP
        return ~jnp.any(occupied != 0, axis=-1) & ~state.over

    def mover(self, state: Discs) -> Int[Array, ""]:
        return state.mover

    def over(self, state: Discs) -> Bool[Array, ""]:
        return state.over

    @property
    def observation_space(self) -> spaces.Dict:
        from gymnasium import spaces

        return spaces.Dict(
            {
                "action_mask": spaces.MultiBinary(COLUMNS),
                "board": spaces.Box(0.0, 1.0, (2, ROWS, COLUMNS), np.float32),
                "side_to_move": spaces.Discrete(2),
            }
        )

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(COLUMNS)


def has_four(words: UInt32[Array, " 2"]) -> Bool[Array, " 2"]:
    """In which of the two words of a player's discs four stand in a row."""
    found = jnp.zeros_like(words)
    # (distance of neighbours in a row, rows in which the lowest column's disc may be)
    for shift, rows in ((1, LOW_ROWS), (6, None), (7, LOW_ROWS), (5, HIGH_ROWS)):
        pairs = words & (words >> shift)
        fours = pairs & (pairs >> (2 * shift))
        found = found | (fours if rows is None else fours & rows)
    return found != 0


def cells(words: UInt32[Array, " 2"]) -> Float[Array, "6 7"]:
    """A player's discs on the board, the top row first."""
    column = np.arange(COLUMNS)
    word = (column >= 5).astype(int)
    shift = ROWS * (column - FIRST_COLUMN[word]) + np.arange(ROWS)[::-1, None]
    bits = (words[word][None] >> shift.astype(np.uint32)) & np.uint32(1)
    return bits.astype(jnp.zeros(()).dtype)


def connect_four(play_as: str = "random", opponent: str = "random") -> AgainstOpponent:
    """Connect four against a fixed opponent, as a task for one learner.

    Args:
      play_as: "first", "second" or "random": which side the learner plays.
      opponent: "random" for legal moves at random.

    Raises:
      UpslopeError: another word.
    """
    from upslope.environments.games.against_opponent import against

    return against("connect-four", ConnectFour(), opponent, play_as)
