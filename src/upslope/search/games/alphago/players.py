"""Who plays in the three stages of AlphaGo's training."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from upslope.core import tree
from upslope.core.actor import Actor
from upslope.core.annotations import Key, Observation
from upslope.core.records import Act
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.wrappers.fully_observed import FullState
from upslope.planning.mcts.uct import UCT
from upslope.policies.network import NetworkPolicy


class GameSoFar(NamedTuple):
    """What the players of a game remember: all of it is drawn at the first move."""

    moves: Int[Array, ""]  # made so far, by both
    side: Int[Array, ""]  # which side the learner plays, 0 or 1
    turning_point: Int[Array, ""]  # U: the move that is made at random


class MoveNotes(NamedTuple):
    """What is noted of a move."""

    target: Int[Array, ""]  # the move to be imitated
    learns: Bool[Array, ""]  # whether the position is one to learn from


class StagePlayer(Actor):
    """Plays both sides of a game and says from which positions is to be learnt."""

    observes_state: ClassVar[bool] = True
    game: eqx.AbstractVar[AlternatingGame]

    def initial_memory(self) -> GameSoFar:
        return GameSoFar(jnp.zeros((), int), jnp.zeros((), int), jnp.zeros((), int))

    def act(self, noise: Key, observation: Observation, memory: GameSoFar) -> Act:
        assert isinstance(observation, FullState)
        draw_key, move_key = jax.random.split(noise)
        begins = memory.moves == 0
        side_key, point_key = jax.random.split(draw_key)
        limit = self.game.time_limit or 1
        drawn = GameSoFar(
            jnp.zeros((), int),
            jax.random.bernoulli(side_key).astype(int),
            jax.random.randint(point_key, (), 0, limit),
        )
        memory = tree.where(begins, drawn, memory)
        action, notes = self.move(move_key, observation, memory)
        return Act(action, memory._replace(moves=memory.moves + 1), notes)

    def move(
        self, key: Key, seen: FullState, so_far: GameSoFar
    ) -> tuple[Int[Array, ""], MoveNotes]:
        """The next move, and what is noted of it. The key is consumed."""
        raise NotImplementedError


class Expert(StagePlayer):
    """The games that are imitated: a search plays itself, with a random move now and then.

    What is imitated is the move that the search would make; random ones only lead to positions that
    perfect players never see.

    Attributes:
      game: that is played.
      search: the expert.
      epsilon: share of random moves.
    """

    game: AlternatingGame
    search: UCT
    epsilon: float | Array

    def move(
        self, key: Key, seen: FullState, so_far: GameSoFar
    ) -> tuple[Int[Array, ""], MoveNotes]:
        plan_key, coin_key, random_key = jax.random.split(key, 3)
        plan = self.search.plan(plan_key, seen.state, self.search.initial_memory())
        anything = self.game.random_move(jax.random.uniform(random_key), seen.state)
        strays = jax.random.uniform(coin_key) < self.epsilon
        action = jnp.where(strays, anything, plan.action)
        return action, MoveNotes(plan.action, jnp.ones((), bool))


class Against(StagePlayer):
    """The policy that learns against one of its earlier selves, each game on a side by lot.

    Attributes:
      game: that is played.
      policy: that learns.
      opponent: an earlier one.
    """

    game: AlternatingGame
    policy: NetworkPolicy
    opponent: NetworkPolicy

    def move(
        self, key: Key, seen: FullState, so_far: GameSoFar
    ) -> tuple[Int[Array, ""], MoveNotes]:
        mine = self.game.mover(seen.state) == so_far.side
        noise = self.policy.noise(key)
        own = self.policy.act(noise, seen.observation, ()).action
        other = self.opponent.act(noise, seen.observation, ()).action
        action = jnp.where(mine, own, other)
        return action, MoveNotes(action, mine)


class OneDeviation(StagePlayer):
    """Games for the value network: one position each, so that positions are independent.

    Until move U, drawn evenly, the imitating policy plays; move U is any legal one; after it the
    improved policy plays on. The position after move U is the one to learn from, and how the game
    ends is its value.

    Attributes:
      game: that is played.
      policy: the improved one, whose value is learnt.
      opening: plays until U.
    """

    game: AlternatingGame
    policy: NetworkPolicy
    opening: NetworkPolicy

    def move(
        self, key: Key, seen: FullState, so_far: GameSoFar
    ) -> tuple[Int[Array, ""], MoveNotes]:
        policy_key, random_key = jax.random.split(key)
        noise = self.policy.noise(policy_key)
        early = self.opening.act(noise, seen.observation, ()).action
        late = self.policy.act(noise, seen.observation, ()).action
        anything = self.game.random_move(jax.random.uniform(random_key), seen.state)
        before, after = so_far.moves < so_far.turning_point, so_far.moves > so_far.turning_point
        action = jnp.where(before, early, jnp.where(after, late, anything))
        return action, MoveNotes(action, so_far.moves == so_far.turning_point + 1)


class StagedPlayer(Actor):
    """The player of the stage that the training is in.

    Attributes:
      stage: 0, 1, 2: imitation, reinforcement, values.
      players: of the three stages.
    """

    observes_state: ClassVar[bool] = True
    stage: Int[Array, ""]
    players: tuple[Expert, Against, OneDeviation]

    def initial_memory(self) -> GameSoFar:
        return self.players[0].initial_memory()

    def act(self, noise: Key, observation: Observation, memory: GameSoFar) -> Act:
        turns = [
            lambda player=player: player.act(noise, observation, memory) for player in self.players
        ]
        return jax.lax.switch(self.stage, turns)
