"""The contract of games for two players who move in turn."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar

from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.annotations import EnvironmentState, Observation
from upslope.core.checks import UpslopeError
from upslope.environments.environment import Environment
from upslope.environments.games.random_legal import nth_true
from upslope.environments.games.symmetries import Symmetries

if TYPE_CHECKING:
    from gymnasium import spaces


class AlternatingGame(Environment):
    r"""A zero-sum game for two players who move in turn, as an environment.

    `step` is one move of the player whose turn it is. Everything is seen from the mover's side:

    - the **observation** is a dictionary; its entry `action_mask` [A] says which actions are legal.
      After the end nothing is, and the mask is all True, so that no distribution over legal
      actions is empty;
    - the **reward** is the mover's: what one wins, the other loses;
    - `Step.discount` is -1 after a move, because the next value is the opponent's:

      .. math:: V(s) = \max_a \; r(s, a) - \gamma V(s')

      The return of an episode, signs multiplied, is therefore the first player's. In a game
      whose turns may have several moves (`turns_may_go_on`) it is +1 after a move that leaves the
      turn to the same player.

    An illegal move loses at once: reward -1, and the game is over. A policy that honours the mask
    never makes one. After the end the state stays as it is and rewards are zero.

    Attributes:
      turns_may_go_on: whether a player may be to move twice in succession. A class attribute.
      best_return: the most that a player can earn; a search stops at it. A class attribute.
    """

    turns_may_go_on: ClassVar[bool] = False
    best_return: ClassVar[float] = 1.0

    @abc.abstractmethod
    def legal_actions(self, state: EnvironmentState) -> Bool[Array, " A"]:
        """Which actions [A] are legal; all False after the end."""

    @abc.abstractmethod
    def mover(self, state: EnvironmentState) -> Int[Array, ""]:
        """Whose turn it is, a scalar: 0 for the player who began, 1 for the other."""

    @abc.abstractmethod
    def over(self, state: EnvironmentState) -> Bool[Array, ""]:
        """Whether the game has ended, a scalar bool."""

    def action_mask(self, state: EnvironmentState) -> Bool[Array, " A"]:
        """The mask [A] that observations show: the legal actions, all True after the end."""
        return self.legal_actions(state) | self.over(state)

    @abc.abstractmethod
    def observe(self, state: EnvironmentState) -> Observation:
        """What the player who is to move sees."""

    def random_move(self, draw: Float[Array, ""], state: EnvironmentState) -> Int[Array, ""]:
        """A legal move, each with the same probability; any after the end.

        A search makes millions of them: a game that knows a faster way overrides this.

        Args:
          draw: uniform on [0, 1).
          state: where to move.
        """
        return nth_true(draw, self.action_mask(state))

    def state_of(self, observation: Observation) -> EnvironmentState:
        """The state of a game under way that is seen so, where what is seen says everything.

        With it a planner acts on what it is shown, for example in `Agent.predict`.

        Raises:
          UpslopeError: this game does not say.
        """
        name = type(self).__name__
        raise UpslopeError(
            f"{name} does not say its state from an observation (state_of): a search has to begin "
            f"at the state. Play in FullyObserved({name}()), which shows it, or let the network "
            "play alone (simulations_at_play=0)."
        )

    @property
    def symmetries(self) -> Symmetries | None:
        """Those of the rules, as permutations of the board and the actions; None for none."""
        return None

    @property
    @abc.abstractmethod
    def action_space(self) -> spaces.Discrete:
        """A moves."""
