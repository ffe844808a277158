"""Playing a game by planning in it, whatever shows the position."""

from __future__ import annotations

from upslope.core.annotations import EnvironmentState, Key, Memory, Observation
from upslope.core.records import Act
from upslope.environments.games.against_opponent import Match
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.wrappers.fully_observed import FullState
from upslope.planning.planning_actor import PlanningActor


class GamePlayer(PlanningActor):
    """Plans in the game itself, for both players.

    It finds the position in what it is shown: the state of the game, the state of a match against
    an opponent, or an observation that says the state (`AlternatingGame.state_of`), so that it can
    play in `AgainstOpponent`, be an opponent, and serve `Agent.predict`.

    Attributes:
      planner: in an `AlternatingGame`.

    Raises:
      UpslopeError: an observation of a game that does not say its state from one.
    """

    def act(self, noise: Key, observation: Observation, memory: Memory) -> Act:
        if isinstance(observation, FullState):
            seen, state = observation
            state = state.game if isinstance(state, Match) else state
        else:
            seen, state = observation, self._state(observation)
        return super().act(noise, FullState(seen, state), memory)

    def _state(self, observation: Observation) -> EnvironmentState:
        game = self.planner.environment
        assert isinstance(game, AlternatingGame)
        return game.state_of(observation)
