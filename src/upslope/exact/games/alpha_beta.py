"""Minimax with alpha-beta pruning and a table, in any small game without chance."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.annotations import EnvironmentState
from upslope.core.checks import UpslopeError, check_number
from upslope.environments.games.alternating_game import AlternatingGame


class Moves(NamedTuple):
    """The moves of a position."""

    states: EnvironmentState  # [A, ...] the positions after them
    reward: Float[Array, " A"]  # the mover's
    over: Bool[Array, " A"]  # the move ends the game
    sign: Float[Array, " A"]  # -1 where the opponent is to move next, 1 where the mover is
    legal: Bool[Array, " A"]


class AlphaBeta:
    r"""Exact minimax values by depth-first search: alpha-beta pruning and a transposition table.

    .. math:: V(s) = \max_a \; r(s, a) + d \, V(s')

    with d = -1 where the turn passes. The table keeps a bound, or the value, of every position that
    was met, told apart by its state. Host code: all moves of a position are made in one compiled
    call. For games of up to some 100,000 positions; connect four has a solver of its own.

    Args:
      game: without chance.
      max_positions: that may be expanded in all.

    Raises:
      UpslopeError: no `AlternatingGame`; from a value: more positions than that.

    References:
      Knuth and Moore (1975), "An Analysis of Alpha-Beta Pruning"; Greenblatt et al. (1967) for the
      table.
    """

    def __init__(self, game: AlternatingGame, max_positions: int = 200_000) -> None:
        if not isinstance(game, AlternatingGame):
            raise UpslopeError(
                f"AlphaBeta got {game!r:.80}: it must be an AlternatingGame, a game of two players."
            )
        check_number("AlphaBeta", "max_positions", max_positions, at_least=1, integer=True)
        self.game = game
        self.max_positions = max_positions
        self.expanded = 0
        self._bounds: dict[bytes, tuple[float, float]] = {}
        self._expand = eqx.filter_jit(expand)

    def value(self, state: EnvironmentState) -> float:
        """What a position is worth to the player who is to move; 0 after the end."""
        if bool(self.game.over(state)):
            return 0.0
        most = float(self.game.best_return)
        return self._search(state, -most, most)

    def action_values(self, state: EnvironmentState) -> np.ndarray:
        """What each action [A] is worth to the mover; minus infinity where it is illegal."""
        moves = self._moves(state)
        most = float(self.game.best_return)
        return np.array(
            [
                self._worth(moves, action, -most, most) if legal else -np.inf
                for action, legal in enumerate(moves.legal)
            ]
        )

    def _search(self, state: EnvironmentState, low: float, high: float) -> float:
        """The value if it is within [low, high], a bound of it otherwise (fail-soft)."""
        key = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state))
        least, most = self._bounds.get(key, (-np.inf, np.inf))
        if least >= high or least == most:
            return least
        if most <= low:
            return most
        moves = self._moves(state)
        best, floor = -np.inf, max(low, least)
        # A move that ends the game costs nothing to look at.
        order = sorted(np.flatnonzero(moves.legal), key=lambda action: not moves.over[action])
        for action in order:
            best = max(best, self._worth(moves, int(action), floor, high))
            floor = max(floor, best)
            if best >= high:
                break
        if best <= low:
            self._bounds[key] = (least, best)
        elif best >= high:
            self._bounds[key] = (best, most)
        else:
            self._bounds[key] = (best, best)
        return best

    def _worth(self, moves: Moves, action: int, low: float, high: float) -> float:
        """What a move is worth to the mover."""
        reward, sign = float(moves.reward[action]), float(moves.sign[action])
        if moves.over[action]:
            return reward
        after = jax.tree.map(lambda leaf: leaf[action], moves.states)
        if sign > 0:
            return reward + self._search(after, low - reward, high - reward)
        return reward - self._search(after, reward - high, reward - low)

    def _moves(self, state: EnvironmentState) -> Moves:
        self.expanded += 1
        if self.expanded > self.max_positions:
            raise UpslopeError(
                f"AlphaBeta expanded {self.max_positions:,} positions of "
                f"{type(self.game).__name__} without an end: begin at a later position, or allow "
                "more (max_positions=...)."
            )
        return jax.tree.map(np.asarray, self._expand(self.game, state))


def expand(game: AlternatingGame, state: EnvironmentState) -> Moves:
    """All moves of a position, the illegal ones too."""
    key = jax.random.key(0)  # no chance: what is drawn from it changes nothing
    actions = jnp.arange(int(game.action_space.n))
    states, out = jax.vmap(lambda action: game.step(key, state, action))(actions)
    ones = jnp.ones(actions.shape)
    sign = ones if out.discount is None else jnp.broadcast_to(out.discount, actions.shape)
    return Moves(states, out.reward, out.terminated, sign, game.legal_actions(state))
