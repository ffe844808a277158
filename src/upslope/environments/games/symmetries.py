"""Symmetries of a board: the same position seen in a mirror, or turned."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Observation
from upslope.core.checks import UpslopeError

BOARD, MASK = "board", "action_mask"


@dataclass(frozen=True)
class Symmetries:
    """S permutations of a board's cells, and of the actions with them; the first does nothing.

    Attributes:
      cells: S tuples of H W numbers: cell i of the image is cell `cells[s][i]` of the board, row by
        row.
      actions: S tuples of A numbers, likewise.

    Raises:
      UpslopeError: one of them is no permutation, or the first is not the identity.
    """

    cells: tuple[tuple[int, ...], ...]
    actions: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        for name in ("cells", "actions"):
            table = np.asarray(getattr(self, name))
            plain = np.arange(table.shape[1])
            fine = np.all(np.sort(table, axis=1) == plain) and np.all(table[0] == plain)
            if len(self.cells) != len(self.actions) or not fine:
                raise UpslopeError(
                    f"Symmetries got {name} that are not {len(self.cells)} permutations, the first "
                    "of them the identity: give one of the cells and one of the actions for each "
                    "symmetry."
                )

    def __len__(self) -> int:
        return len(self.cells)

    def of_observation(self, index: Int[Array, ""], observation: Observation) -> Observation:
        """The observation in the mirror: its `board` [C, H, W] and its `action_mask` [A].

        Args:
          index: which symmetry.
          observation: a dictionary; other fields stay as they are.
        """
        board = observation[BOARD]
        order = jnp.asarray(np.asarray(self.cells))[index]
        turned = board.reshape(*board.shape[:-2], -1)[..., order].reshape(board.shape)
        mask = self.of_actions(index, observation[MASK])
        return {**observation, BOARD: turned, MASK: mask}

    def of_actions(self, index: Int[Array, ""], values: Float[Array, " A"]) -> Float[Array, " A"]:
        """What is said of each action [A], in the mirror."""
        return values[jnp.asarray(np.asarray(self.actions))[index]]


def turns_and_mirrors(side: int) -> np.ndarray:
    """The eight symmetries of a square board as permutations [8, side^2] of its cells."""
    board = np.arange(side * side).reshape(side, side)
    turned = [np.rot90(board, k) for k in range(4)]
    return np.stack([*turned, *(np.fliplr(one) for one in turned)]).reshape(8, -1)


def as_tuples(table: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """A table of whole numbers as tuples, which compare and hash by value."""
    return tuple(tuple(int(number) for number in row) for row in table)
