"""Perfect play of tic-tac-toe, by enumeration."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.actor import Actor
from upslope.core.annotations import Key, Memory
from upslope.core.records import Act
from upslope.environments.games.game_tree import game_tree, minimax_values
from upslope.environments.games.random_legal import random_true
from upslope.environments.games.tic_tac_toe import TicTacToe

POWERS = 3 ** np.arange(9)


class TableActor(Actor):
    """Plays tic-tac-toe from a table: one of the good moves of each position, at random.

    Attributes:
      good: [19683, 9] bool by the position's code; `board_code` gives it.
    """

    good: Bool[Array, "19683 9"]

    def act(self, noise: Key, observation: dict[str, Array], memory: Memory) -> Act:
        return Act(random_true(noise, self.good[board_code(observation["board"])]), memory)


def board_code(board: Float[Array, "2 3 3"]) -> Int[Array, ""]:
    """A board [2, 3, 3] from the mover's side as a number in base 3: own stones 1, others 2."""
    stones = jnp.round(board[0] + 2 * board[1]).astype(int).reshape(9)
    return jnp.sum(stones * POWERS)


def tic_tac_toe_minimax() -> TableActor:
    """The player that never loses: all of its moves keep the minimax value."""
    return TableActor(jnp.asarray(_good_moves()))


@functools.cache
def _good_moves() -> np.ndarray:
    levels = game_tree(TicTacToe())
    good = np.ones((3**9, 9), bool)  # after the end any move is as good as any other
    for level, worth in zip(levels, minimax_values(levels), strict=True):
        codes = (level.states.own + 2 * level.states.other.astype(int)) @ POWERS
        good[codes] = worth >= worth.max(axis=1, keepdims=True) - 1e-6
    return good
