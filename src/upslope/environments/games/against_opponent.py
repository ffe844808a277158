"""A game against a fixed opponent: an environment for one player."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core import tree
from upslope.core.actor import Actor
from upslope.core.annotations import EnvironmentState, Key, Memory, Observation
from upslope.core.checks import UpslopeError, check_choice
from upslope.core.records import Step
from upslope.environments.environment import Environment
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.wrappers.fully_observed import FullState

if TYPE_CHECKING:
    from gymnasium import spaces

SIDES = ("first", "second", "random")
# Separates the opponent's noise and the choice of sides from the game's own randomness.
OPPONENT_STREAM, SIDE_STREAM = 0x0990, 0x51DE


class Match(NamedTuple):
    """The state of a game against an opponent."""

    game: EnvironmentState  # the game's own state; the learner is to move, or the game is over
    memory: Memory  # the opponent's
    learner: Int[Array, ""]  # 0 if the learner began, 1 if the opponent did
    owed: Float[Array, ""]  # what the opponent's first turn brought the learner: its next reward's


class AgainstOpponent(Environment):
    """An alternating game as an ordinary environment: the opponent's moves are its dynamics.

    A step is the learner's move and the opponent's answer, all of its moves where a turn may have
    several. Observations are those of the learner when it is to move, rewards and returns are the
    learner's, and `Step.discount` is 1. The
    opponent may be any actor: random moves, a policy, a planner of the game (which is shown the
    game's state with the observation); its memory is in the state.

    Attributes:
      game: an `AlternatingGame`.
      opponent: an `Actor` that acts on the game's observations.
      play_as: "first", "second", or "random" to draw the side in each episode. Static.

    Raises:
      UpslopeError: another side, or a game or an opponent that is none.
    """

    name: ClassVar[str] = "AgainstOpponent"
    game: AlternatingGame
    opponent: Actor
    play_as: str = eqx.field(static=True)

    def __init__(self, game: AlternatingGame, opponent: Actor, play_as: str = "random") -> None:
        self.game = game
        self.opponent = opponent
        self.play_as = play_as

    def __check_init__(self) -> None:
        check_choice("AgainstOpponent", "play_as", self.play_as, SIDES)
        for name, kind in (("game", AlternatingGame), ("opponent", Actor)):
            if not isinstance(getattr(self, name), kind):
                raise UpslopeError(
                    f"AgainstOpponent got {name}={getattr(self, name)!r:.80}: it must be an "
                    f"upslope {kind.__name__}."
                )

    @property
    def time_limit(self) -> int | None:
        """In moves of the learner: half of the game's moves, rounded up."""
        limit = self.game.time_limit
        return None if limit is None else (limit + 1) // 2

    def reset(self, key: Key) -> tuple[Match, Observation]:
        game, observation = self.game.reset(key)
        memory = jax.tree.map(jnp.asarray, self.opponent.initial_memory())
        waiting = Match(game, memory, jnp.zeros((), int), jnp.zeros(()))
        if self.play_as == "first":
            return waiting, observation
        moved, seen, earned, _ = self._opponents_turn(key, waiting, observation)
        moved = moved._replace(learner=jnp.ones((), int), owed=-earned)
        if self.play_as == "second":
            return moved, seen
        begins = jax.random.bernoulli(jax.random.fold_in(key, SIDE_STREAM))
        return tree.where(begins, (waiting, observation), (moved, seen))

    def step(self, key: Key, state: Match, action: Int[Array, ""]) -> tuple[Match, Step]:
        game, mine = self.game.step(key, state.game, action)
        moved = state._replace(game=game, owed=jnp.zeros_like(state.owed))
        answered, seen, earned, ended = self._opponents_turn(key, moved, mine.observation)
        sign = jnp.ones(()) if mine.discount is None else mine.discount
        # The turn goes on where the next value counts for the learner, too.
        done = mine.terminated | (sign > 0) if self.game.turns_may_go_on else mine.terminated
        reward = state.owed + mine.reward + jnp.where(done, 0.0, sign * earned)
        match, observation = tree.where(done, (moved, mine.observation), (answered, seen))
        return match, Step(observation, reward, mine.terminated | (ended & ~done))

    def _opponents_turn(
        self, key: Key, match: Match, observation: Observation
    ) -> tuple[Match, Observation, Array, Array]:
        """After the opponent's turn: the match, what is seen, what the opponent earned, the end."""
        after, out = self._opponent_moves(key, match, observation)
        if not self.game.turns_may_go_on:
            return after, out.observation, out.reward, out.terminated
        turn = (after, out.observation, out.reward, out.terminated)

        def goes_on(carry: tuple[Array, Match, Observation, Array, Array]) -> Array:
            _, now, _, _, ended = carry
            return (self.game.mover(now.game) == self.game.mover(match.game)) & ~ended

        def move(
            carry: tuple[Array, Match, Observation, Array, Array],
        ) -> tuple[Array, Match, Observation, Array, Array]:
            key, now, seen, earned, _ = carry
            key = jax.random.fold_in(key, OPPONENT_STREAM)
            now, out = self._opponent_moves(key, now, seen)
            return key, now, out.observation, earned + out.reward, out.terminated

        return jax.lax.while_loop(goes_on, move, (key, *turn))[1:]

    def _opponent_moves(
        self, key: Key, match: Match, observation: Observation
    ) -> tuple[Match, Step]:
        noise_key, step_key = jax.random.split(jax.random.fold_in(key, OPPONENT_STREAM))
        seen = FullState(observation, match.game) if self.opponent.observes_state else observation
        acted = self.opponent.act(self.opponent.noise(noise_key), seen, match.memory)
        game, out = self.game.step(step_key, match.game, acted.action)
        return match._replace(game=game, memory=acted.memory), out

    def action_mask(self, state: Match) -> Bool[Array, " A"]:
        return self.game.action_mask(state.game)

    @property
    def observation_space(self) -> spaces.Space:
        return self.game.observation_space

    @property
    def action_space(self) -> spaces.Space:
        return self.game.action_space


def against(name: str, game: AlternatingGame, opponent: str, play_as: str) -> AgainstOpponent:
    """A game against an opponent that plays at random.

    Args:
      name: of the environment, for errors.
      game: the game.
      opponent: "random".
      play_as: "first", "second" or "random".

    Raises:
      UpslopeError: another word.
    """
    from upslope.environments.games.random_legal import RandomLegal

    check_choice(name, "opponent", opponent, ["random"])
    return AgainstOpponent(game, RandomLegal(), play_as)
