"""What environments of numbered states and actions share, however their arrays are laid out."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

import numpy as np
from jax import Array
from jaxtyping import Int

from upslope.core.checks import UpslopeError
from upslope.environments.environment import Environment

if TYPE_CHECKING:
    from gymnasium import spaces

# How far a row may be from summing to one: the rounding of a float32 row, with room to spare.
TOLERANCE = 1e-5


class TabularEnvironment(Environment):
    """States 0..S-1, seen as they are, and actions 0..A-1."""

    @property
    @abc.abstractmethod
    def n_states(self) -> int:
        """S."""

    @property
    @abc.abstractmethod
    def n_actions(self) -> int:
        """A."""

    def observation(self, state: Int[Array, ""]) -> Int[Array, ""]:
        """What is seen in a state: its number."""
        return state

    @property
    def observation_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(self.n_states)

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(self.n_actions)


def check_distributions(owner: str, rows: np.ndarray, initial: np.ndarray) -> None:
    """Refuses probabilities that do not sum to one.

    Args:
      owner: whom the error names.
      rows: of each state and action, [S, A, ...].
      initial: [S].

    Raises:
      UpslopeError: which row, and by how much it is off.
    """
    sums = rows.sum(axis=-1, dtype=np.float64)
    bad = np.argwhere(np.abs(sums - 1.0) > TOLERANCE)
    if len(bad):
        state, action = bad[0]
        total = sums[state, action]
        raise UpslopeError(
            f"{owner} got a transition whose row (state {state}, action {action}) sums to "
            f"{total:.6g}, off by {total - 1.0:+.3g}: every row must sum to 1"
            + (f" ({len(bad)} rows do not)." if len(bad) > 1 else ".")
        )
    total = initial.sum(dtype=np.float64)
    if abs(total - 1.0) > TOLERANCE:
        raise UpslopeError(
            f"{owner} got initial that sums to {total:.6g}, off by {total - 1.0:+.3g}: it must "
            "be a distribution over states."
        )
