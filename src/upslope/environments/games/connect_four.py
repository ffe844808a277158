"""Connect four, on bitboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, UInt32

from upslope.core import tree
from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.games.symmetries import Symmetries, as_tuples

if TYPE_CHECKING:
    from gymnasium import spaces

    from upslope.environments.games.against_opponent import AgainstOpponent

ROWS, COLUMNS = 6, 7
# A board is two overlapping words of five columns, six bits each from the bottom cell upwards:
# columns 0 to 4 and columns 2 to 6. Every four in a row lies within one of the two.
FIRST_OF_RIGHT = 2
COLUMN = np.uint32(2**ROWS - 1)
TOP_ROW = np.uint32(sum(0b100000 << (ROWS * column) for column in range(5)))
LOW_ROWS = np.uint32(sum(0b000111 << (ROWS * column) for column in range(5)))
HIGH_ROWS = np.uint32(sum(0b111000 << (ROWS * column) for column in range(5)))
Word = UInt32[Array, ""]


class Discs(NamedTuple):
    """A position of connect four, from the side of the player who is to move."""

    own_left: Word  # the mover's discs in columns 0 to 4
    own_right: Word  # and in columns 2 to 6
    other_left: Word  # the opponent's
    other_right: Word
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
        empty = jnp.zeros((), jnp.uint32)
        position = Discs(empty, empty, empty, empty, jnp.zeros((), int), jnp.zeros((), bool))
        return position, self.observe(position)

    def step(self, key: Key, state: Discs, action: Int[Array, ""]) -> tuple[Discs, Step]:
        left, right = state.own_left | state.other_left, state.own_right | state.other_right
        foot_left, foot_right = lowest_cells(action)
        # Discs fill a column from below: adding its lowest cell carries to the first empty one.
        new_left = ((left & (foot_left * COLUMN)) + foot_left) & (foot_left * COLUMN)
        new_right = ((right & (foot_right * COLUMN)) + foot_right) & (foot_right * COLUMN)
        legal = (new_left | new_right) != 0
        own_left, own_right = state.own_left | new_left, state.own_right | new_right
        won = legal & (has_four(own_left) | has_four(own_right))
        full = (((left | new_left) & (right | new_right)) & TOP_ROW) == TOP_ROW
        reward = jnp.where(won, 1.0, jnp.where(legal, 0.0, -jnp.ones(())))
        after = Discs(
            own_left=state.other_left,
            own_right=state.other_right,
            other_left=own_left,
            other_right=own_right,
            mover=1 - state.mover,
            over=won | full | ~legal,
        )
        # The end is absorbing: nothing moves and nothing is earned.
        after = tree.where(state.over, state, after)
        reward = jnp.where(state.over, 0.0, reward)
        return after, Step(self.observe(after), reward, after.over, -jnp.ones(()))

    def observe(self, state: Discs) -> dict[str, Array]:
        return {
            "action_mask": self.action_mask(state),
            "board": jnp.stack(
                [
                    cells(state.own_left, state.own_right),
                    cells(state.other_left, state.other_right),
                ]
            ),
            "side_to_move": state.mover,
        }

    def legal_actions(self, state: Discs) -> Bool[Array, " 7"]:
        free = (self._free_columns(state) >> np.arange(COLUMNS, dtype=np.uint32)) & np.uint32(1)
        return (free != 0) & ~state.over

    def random_move(self, draw: Float[Array, ""], state: Discs) -> Int[Array, ""]:
        free = self._free_columns(state)
        free = jnp.where(state.over, np.uint32(2**COLUMNS - 1), free)
        count = jax.lax.population_count(free).astype(int)
        return nth_bit(free, jnp.minimum((draw * count).astype(int), count - 1))

    def _free_columns(self, state: Discs) -> Word:
        """Bit a of a word says whether column a has an empty cell."""
        left, right = state.own_left | state.other_left, state.own_right | state.other_right
        free = jnp.zeros_like(left)
        for column in range(COLUMNS):
            word, place = (left, column) if column < 5 else (right, column - FIRST_OF_RIGHT)
            top = (~word >> np.uint32(ROWS * place + ROWS - 1)) & np.uint32(1)
            free = free | (top << np.uint32(column))
        return free

    def state_of(self, observation: dict[str, Array]) -> Discs:
        own_left, own_right = words(observation["board"][0])
        other_left, other_right = words(observation["board"][1])
        left, right = own_left | other_left, own_right | other_right
        won = jnp.stack([has_four(word) for word in (own_left, own_right, other_left, other_right)])
        full = ((left & right) & TOP_ROW) == TOP_ROW
        return Discs(
            own_left=own_left,
            own_right=own_right,
            other_left=other_left,
            other_right=other_right,
            mover=jnp.asarray(observation["side_to_move"], int),
            over=jnp.any(won) | full,
        )

    @property
    def symmetries(self) -> Symmetries:
        """The board, and its mirror image."""
        board = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
        columns = np.arange(COLUMNS)
        return Symmetries(
            as_tuples(np.stack([board.ravel(), np.fliplr(board).ravel()])),
            as_tuples(np.stack([columns, columns[::-1]])),
        )

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


def lowest_cells(column: Int[Array, ""]) -> tuple[Word, Word]:
    """The lowest cell of a column in both words; zero in the word that has not got it."""
    one = jnp.ones((), jnp.uint32)

    def lowest(place: Array) -> Array:
        shift = (ROWS * jnp.clip(place, 0, 4)).astype(jnp.uint32)
        return jnp.where((place >= 0) & (place < 5), one << shift, 0)

    return lowest(column), lowest(column - FIRST_OF_RIGHT)


def has_four(word: Word) -> Bool[Array, ""]:
    """Whether four discs of a word stand in a row."""
    found = jnp.zeros_like(word)
    # (distance of neighbours in a line, where the disc of the lowest column may be)
    for shift, rows in ((1, LOW_ROWS), (6, None), (7, LOW_ROWS), (5, HIGH_ROWS)):
        pairs = word & (word >> np.uint32(shift))
        fours = pairs & (pairs >> np.uint32(2 * shift))
        found = found | (fours if rows is None else fours & rows)
    return found != 0


def nth_bit(word: Word, n: Int[Array, ""]) -> Int[Array, ""]:
    """The place of the nth set bit, from 0, of a word of eight bits, by halving."""
    place = jnp.zeros_like(n)
    for width in (4, 2, 1):
        low = (word >> place.astype(jnp.uint32)) & np.uint32(2**width - 1)
        count = jax.lax.population_count(low).astype(n.dtype)
        beyond = n >= count
        n = n - jnp.where(beyond, count, 0)
        place = place + jnp.where(beyond, width, 0)
    return place


def cells(left: Word, right: Word) -> Float[Array, "6 7"]:
    """A player's discs on the board, the top row first."""
    column = np.arange(COLUMNS)
    shift = ROWS * np.where(column < 5, column, column - FIRST_OF_RIGHT)
    shift = (shift + np.arange(ROWS)[::-1, None]).astype(np.uint32)
    bits = (jnp.where(column < 5, left, right)[None] >> shift) & np.uint32(1)
    return bits.astype(jnp.zeros(()).dtype)


def words(discs: Float[Array, "6 7"]) -> tuple[Word, Word]:
    """A player's discs on the board, the top row first, as two words: the inverse of `cells`."""
    taken = (discs[::-1].T > 0.5).astype(jnp.uint32).reshape(-1)  # column by column, from below
    bits = taken[: 5 * ROWS] << np.arange(5 * ROWS, dtype=np.uint32)
    more = taken[FIRST_OF_RIGHT * ROWS :] << np.arange(5 * ROWS, dtype=np.uint32)
    return jnp.sum(bits, dtype=jnp.uint32), jnp.sum(more, dtype=jnp.uint32)


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
