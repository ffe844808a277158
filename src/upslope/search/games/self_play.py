"""The actor of self-play: one network, one search, both sides."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.actor import Actor
from upslope.core.annotations import Key, Observation
from upslope.core.records import Act
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.wrappers.fully_observed import FullState
from upslope.planning.mcts.network_search import NetworkSearch
from upslope.search.games.temperature import temperature_at

# Separates moves at random from the search's own noise.
EXPLORE_STREAM = 0xE9B5


class SelfPlayExtras(NamedTuple):
    """What self-play notes of each move, to be learnt from."""

    weights: Float[Array, " A"]  # the search's policy pi
    value: Float[Array, ""]  # the search's value of the position
    prior_value: Float[Array, ""]  # the network's, before the search
    improved: Bool[Array, ""]  # the search prefers another move than the network
    best_value: Float[Array, ""]  # the search's, of the best move that it has tried
    explored: Bool[Array, ""]  # the move was drawn evenly: what follows is not the search's play


class SelfPlayActor(Actor):
    """Plays every move by a fresh search, with chance at the beginning of a game.

    Its memory is the number of moves of the game so far. Noise is at the root alone, and no tree is
    kept between moves: what noise has made of one search is not met by the next.

    Attributes:
      planner: in the game, with the network as its evaluator.
      temperature: of the first moves.
      temperature_moves: how many these are.
      final_temperature: of all later ones.
      epsilon: share of the first moves that are drawn evenly among the legal ones.
    """

    observes_state: ClassVar[bool] = True
    planner: NetworkSearch
    temperature: float | Array
    temperature_moves: float | Array
    final_temperature: float | Array
    epsilon: float | Array = 0.0

    def initial_memory(self) -> Int[Array, ""]:
        return jnp.zeros((), int)

    def act(self, noise: Key, observation: Observation, memory: Int[Array, ""]) -> Act:
        assert isinstance(observation, FullState)
        temperature = temperature_at(
            memory, self.temperature, self.temperature_moves, self.final_temperature
        )
        plan = self.planner.at_temperature(temperature).plan(noise, observation.state, ())
        found = plan.extras
        explores, choice = jax.random.uniform(jax.random.fold_in(noise, EXPLORE_STREAM), (2,))
        explored = (explores < self.epsilon) & (memory < self.temperature_moves)
        game = self.planner.environment
        assert isinstance(game, AlternatingGame)
        anything = game.random_move(choice, observation.state)
        extras = SelfPlayExtras(
            weights=plan.action_weights,  # pyright: ignore[reportArgumentType] (actions are discrete)
            value=plan.value,
            prior_value=found.prior_value,  # pyright: ignore[reportAttributeAccessIssue]
            best_value=jnp.nanmax(found.action_values),  # pyright: ignore[reportAttributeAccessIssue]
            improved=jnp.argmax(plan.action_weights) != jnp.argmax(found.prior),  # pyright: ignore
            explored=explored,
        )
        action = jnp.where(explored, anything.astype(plan.action.dtype), plan.action)
        return Act(action, memory + 1, extras)
