"""Pig: a dice game in which a turn may go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import equinox as eqx
import jax
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

ROLL, HOLD = 0, 1


class Scores(NamedTuple):
    """A position of pig, from the side of the player who is to move."""

    own: Int[Array, ""]  # the mover's points
    other: Int[Array, ""]  # the opponent's
    turn: Int[Array, ""]  # points of this turn, not yet safe
    mover: Int[Array, ""]  # 0 for the player who began
    over: Bool[Array, ""]


class Pig(AlternatingGame):
    r"""Pig: roll a die as often as you dare; a 1 loses the turn's points, `hold` keeps them.

    Who first holds with at least `target` points wins (+1). Action 0 rolls, action 1 holds. After
    a roll of 2 to 6 the same player is to move, so that `Step.discount` is +1; after a 1 or a hold
    it is the other's turn, and -1. The observation is a dictionary: `scores` [3], own, other and
    this turn's points as shares of the target; `side_to_move`; `action_mask` [2], always True.

    Attributes:
      target: points that win. Static.
      time_limit: moves after which an episode is truncated. Static.

    Raises:
      UpslopeError: a target below 1.

    References:
      Neller and Presser (2004), "Optimal Play of the Dice Game Pig".
    """

    name: ClassVar[str] = "Pig"
    turns_may_go_on: ClassVar[bool] = True
    target: int = eqx.field(static=True, default=100)
    time_limit: int | None = eqx.field(static=True, default=1000)

    def __check_init__(self) -> None:
        check_number("Pig", "target", self.target, at_least=1, integer=True)

    def reset(self, key: Key) -> tuple[Scores, dict[str, Array]]:
        zero = jnp.zeros((), int)
        scores = Scores(zero, zero, zero, zero, jnp.zeros((), bool))
        return scores, self.observe(scores)

    def step(self, key: Key, state: Scores, action: Int[Array, ""]) -> tuple[Scores, Step]:
        die = jax.random.randint(key, (), 1, 7)
        safe, zero = state.own + state.turn, jnp.zeros((), int)
        held, legal = action == HOLD, (action == ROLL) | (action == HOLD)
        won = held & (safe >= self.target)
        passes = held | (die == 1) | ~legal
        own = jnp.where(held, jnp.minimum(safe, self.target), state.own)
        # More points of a turn than win are worth no more.
        turn = jnp.minimum(state.turn + die, self.target - state.own)
        goes_on = Scores(state.own, state.other, turn, state.mover, zero == 1)
        passed = Scores(state.other, own, zero, 1 - state.mover, won | ~legal)
        after = tree.where(passes, passed, goes_on)
        reward = jnp.where(won, 1.0, jnp.where(legal, 0.0, -jnp.ones(())))
        after = tree.where(state.over, state, after)
        reward = jnp.where(state.over, 0.0, reward)
        discount = jnp.where(passes, -1.0, jnp.ones(()))
        return after, Step(self.observe(after), reward, after.over, discount)

    def observe(self, state: Scores) -> dict[str, Array]:
        points = jnp.stack([state.own, state.other, state.turn])
        return {
            "action_mask": self.action_mask(state),
            "scores": points / self.target,
            "side_to_move": state.mover,
        }

    def legal_actions(self, state: Scores) -> Bool[Array, " 2"]:
        return jnp.broadcast_to(~state.over, (2,))

    def state_of(self, observation: dict[str, Array]) -> Scores:
        own, other, turn = jnp.round(observation["scores"] * self.target).astype(int)
        over = (own >= self.target) | (other >= self.target)
        return Scores(own, other, turn, jnp.asarray(observation["side_to_move"], int), over)

    def mover(self, state: Scores) -> Int[Array, ""]:
        return state.mover

    def over(self, state: Scores) -> Bool[Array, ""]:
        return state.over

    @property
    def observation_space(self) -> spaces.Dict:
        from gymnasium import spaces

        return spaces.Dict(
            {
                "action_mask": spaces.MultiBinary(2),
                "scores": spaces.Box(0.0, 1.0, (3,), np.float32),
                "side_to_move": spaces.Discrete(2),
            }
        )

    @property
    def action_space(self) -> spaces.Discrete:
        from gymnasium import spaces

        return spaces.Discrete(2)


def pig(play_as: str = "random", opponent: str = "random", target: int = 100) -> AgainstOpponent:
    """Pig against a fixed opponent, as a task for one learner.

    Args:
      play_as: "first", "second" or "random": which side the learner plays.
      opponent: "random" for moves at random.
      target: points that win.

    Raises:
      UpslopeError: another word, or a target below 1.
    """
    from upslope.environments.games.against_opponent import against

    return against("pig", Pig(target), opponent, play_as)
