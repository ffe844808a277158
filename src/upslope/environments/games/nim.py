"""Nim with one heap."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Int

from upslope.core import tree
from upslope.core.annotations import Key
from upslope.core.checks import check_number
from upslope.core.records import Step
from upslope.environments.games.alternating_game import AlternatingGame

if TYPE_CHECKING:
    from gymnasium import spaces

    from upslope.environments.games.against_opponent import AgainstOpponent


class Heap(NamedTuple):
    """A position of Nim."""

    left: Int[Array, ""]  # objects on the heap; 0: the game is over
    mover: Int[Array, ""]  # 0 for the player who began


class Nim(AlternatingGame):
    r"""Nim with one heap: take 1 to k objects, who takes the last one wins (the subtraction game).

    Action a takes a + 1 objects. The mover loses under perfect play exactly if the heap is a
    multiple of k + 1; otherwise the only winning move takes the remainder: from 15 objects, 3. The
    observation is a dictionary: `heap` [1], the share of the objects that is left; `side_to_move`;
    `action_mask` [k].

    Attributes:
      heap: objects at the beginning. Static.
      max_take: k. Static.

    Raises:
      UpslopeError: fewer than one object or move.

    References:
      Bouton (1901), "Nim, A Game with a Complete Mathematical Theory".
    """

    name: ClassVar[str] = "Nim"
    heap: int = eqx.field(static=True, default=15)
    max_take: int = eqx.field(static=True, default=3)

    def __check_init__(self) -> None:
        check_number("Nim", "heap", self.heap, at_least=1, integer=True)
        check_number("Nim", "max_take", self.max_take, at_least=1, integer=True)

    @property
    def time_limit(self) -> int | None:
        """In moves: each takes at least one object."""
        return self.heap

    def reset(self, key: Key) -> tuple[Heap, dict[str, Array]]:
        heap = Heap(jnp.full((), self.heap, int), jnp.zeros((), int))
        return heap, self.observe(heap)

    def step(self, key: Key, state: Heap, action: Int[Array, ""]) -> tuple[Heap, Step]:
        left = state.left - (action + 1)
        legal = left >= 0
        after = Heap(jnp.maximum(left, 0) * legal, 1 - state.mover)
        reward = jnp.where(left == 0, 1.0, jnp.where(legal, 0.0, -jnp.ones(())))
        over = self.over(state)
        after = tree.where(over, state, after)
        reward = jnp.where(over, 0.0, reward)
        return after, Step(self.observe(after), reward, self.over(after), -jnp.ones(()))

    def observe(self, state: Heap) -> dict[str, Array]:
        return {
            "action_mask": self.action_mask(state),
            "heap": (state.left / self.heap)[None],
            "side_to_move": state.mover,
        }

    def legal_actions(self, state: Heap) -> Bool[Array, " A"]:
        return jnp.arange(1, self.max_take + 1) <= state.left

    def state_of(self, observation: dict[str, Array]) -> Heap:
        left = jnp.round(observation["heap"][0] * self.heap).astype(int)
        return Heap(left, jnp.asarray(observation["side_to_move"], int))

    def mover(self, state: Heap) -> Int[Array, ""]:
        return state.mover

    def over(self, state: Heap) -> Bool[Array, ""]:
        return state.left == 0

    @property
    def observation_space(self) -> spaces.Dict:
        from gymnasium import spaces

        return spaces.Dict(
            {
                "action_mask": spaces.MultiBinary(self.max_take),
                "heap": spaces.Box(0.0, 1.0, (1,), np.float32),
                "side_to_move": spaces.Discrete(2),
            }
        )

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(self.max_take)


def nim(
    play_as: str = "random", opponent: str = "random", heap: int = 15, max_take: int = 3
) -> AgainstOpponent:
    """Nim against a fixed opponent, as a task for one learner.

    Args:
      play_as: "first", "second" or "random": which side the learner plays.
      opponent: "random" for legal moves at random.
      heap: objects at the beginning.
      max_take: the most that one may take.

    Raises:
      UpslopeError: another word, or fewer than one object.
    """
    from upslope.environments.games.against_opponent import against

    return against("nim", Nim(heap, max_take), opponent, play_as)
