"""A game of two players under way: moves, taking back, what a search thinks."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.actor import Actor
from upslope.core.annotations import EnvironmentState, Memory, Observation
from upslope.core.checks import UpslopeError
from upslope.drawing.board_view import move_names
from upslope.environments import AlternatingGame, FullState
from upslope.policies.policy import Policy

START_STREAM, STEP_STREAM, PLAYER_STREAM = 0x57A7, 0x57E9, 0x91A7


class Thought(NamedTuple):
    """What a player thinks of the moves of a position."""

    shares: np.ndarray  # [A] visits, or probabilities where nothing was searched; sum to 1
    visits: np.ndarray | None  # [A] int, of a search
    values: np.ndarray | None  # [A] to who is to move; NaN where there is none
    value: float | None  # of the position, to who is to move


class Moment(NamedTuple):
    """A position of a game, and how it came about."""

    state: EnvironmentState
    observation: Observation
    action: int | None  # that led here; None at the start
    mover: int  # who made it: 0 for who began; who is to move, at the start
    reward: float  # the mover's
    thought: Thought | None  # of the mover before the move


class PlayedGame:
    """A game under way, on the host: for people and for single games.

    Args:
      game: of both players.
      seed: of the game's own chance, and of the players'.
    """

    def __init__(self, game: AlternatingGame, seed: int = 0) -> None:
        self.game = game
        self.names = move_names(game)
        self._key = jax.random.key(seed)
        self._step = jax.jit(game.step)
        self._acts: dict[int, object] = {}
        state, seen = jax.jit(game.reset)(jax.random.fold_in(self._key, START_STREAM))
        self.moments = [Moment(state, seen, None, 0, 0.0, None)]

    @property
    def now(self) -> Moment:
        """The position on the board."""
        return self.moments[-1]

    @property
    def over(self) -> bool:
        """Whether the game has ended, or has reached its limit on moves."""
        limit = self.game.time_limit
        return bool(self.game.over(self.now.state)) or (
            limit is not None and len(self.moments) > limit
        )

    @property
    def mover(self) -> int:
        """Whose turn it is: 0 for who began."""
        return int(self.game.mover(self.now.state))

    @property
    def legal(self) -> list[int]:
        """The legal moves."""
        return np.flatnonzero(np.asarray(self.game.legal_actions(self.now.state))).tolist()

    @property
    def result(self) -> int:
        """1 if who began has won, -1 if it has lost, 0 for a draw and before the end."""
        if not self.over:
            return 0
        won = int(np.sign(self.now.reward))
        return won if self.now.mover == 0 else -won

    def play(self, action: int, thought: Thought | None = None) -> Moment:
        """Makes a move.

        Args:
          action: legal.
          thought: of who makes it.

        Raises:
          UpslopeError: it is not legal; the legal ones are named.
        """
        if action not in self.legal:
            name = self.names[action] if 0 <= action < len(self.names) else str(action)
            raise UpslopeError(
                f"{name} is not a legal move here. Legal are: "
                f"{', '.join(self.names[one] for one in self.legal)}."
            )
        key = jax.random.fold_in(jax.random.fold_in(self._key, STEP_STREAM), len(self.moments))
        mover = self.mover
        state, out = self._step(key, self.now.state, jnp.asarray(action))
        self.moments.append(
            Moment(state, out.observation, action, mover, float(out.reward), thought)
        )
        return self.now

    def take_back(self, player: int) -> int:
        """Goes back to where a player was last to move; how many moves that were, 0 for none."""
        for place in range(len(self.moments) - 1, 0, -1):
            if self.moments[place].mover == player:
                taken = len(self.moments) - place
                del self.moments[place:]
                return taken
        return 0


class Seat:
    """A player at a board: an actor with its memory, and what it thinks of positions.

    Args:
      actor: a policy, a planner's actor, or any other.
      name: for people.
      number: 0 for who begins; players of the same kind draw different numbers.
    """

    def __init__(self, actor: Actor, name: str, number: int = 0) -> None:
        self.actor, self.name, self.number = actor.greedy(), name, number
        self._memories: list[Memory] = [_arrays(self.actor.initial_memory())]
        self._lengths = [0]
        self._act = jax.jit(_act)

    def choose(self, played: PlayedGame) -> tuple[int, Thought | None]:
        """The player's move in the position on the board, and what it thinks; it goes on with its
        memory of the game, of which what was taken back is forgotten."""
        length = len(played.moments)
        while len(self._lengths) > 1 and self._lengths[-1] >= length:
            self._lengths.pop()
            self._memories.pop()
        action, memory, thought = self._asked(played, self._memories[-1])
        self._memories.append(memory)
        self._lengths.append(length)
        if action not in played.legal:
            legal = ", ".join(played.names[one] for one in played.legal)
            raise UpslopeError(
                f"{self.name} made the illegal move {action} in {type(played.game).__name__}: "
                f'legal are {legal}. An actor has to honour observation["action_mask"].'
            )
        return action, thought

    def think(self, played: PlayedGame) -> Thought | None:
        """What the player thinks of the position on the board, whoever is to move in it."""
        return self._asked(played, _arrays(self.actor.initial_memory()))[2]

    def _asked(self, played: PlayedGame, memory: Memory) -> tuple[int, Memory, Thought | None]:
        now = played.now
        key = jax.random.fold_in(jax.random.fold_in(played._key, PLAYER_STREAM), self.number)
        key = jax.random.fold_in(key, len(played.moments))
        seen = FullState(now.observation, now.state)
        shown = seen if self.actor.observes_state else now.observation
        acted = self._act(self.actor, key, shown, memory)
        n_actions = len(played.names)
        thought = thought_of(acted.extras, n_actions)
        if thought is None and isinstance(self.policy, Policy) and not self.policy.has_memory:
            probs = getattr(self.policy(now.observation), "probs", None)
            if probs is not None:
                thought = Thought(np.asarray(probs, float), None, None, None)
        return int(acted.action), acted.memory, thought

    @property
    def policy(self) -> Actor:
        """Who acts, or the policy whose mode it is."""
        return getattr(self.actor, "policy", self.actor)


def thought_of(extras: object, n_actions: int) -> Thought | None:
    """What the extras of an act say of the moves: visits and values of a search, or weights."""
    planner = getattr(extras, "planner", None)
    visits = getattr(planner, "visits", None)
    values = getattr(planner, "action_values", None)
    value = getattr(extras, "value", None)
    weights = getattr(extras, "action_weights", None)
    worth = None if value is None else float(np.asarray(value))
    if visits is not None and np.sum(np.asarray(visits)) > 0:
        counts = np.asarray(visits)
        known = None if values is None else np.asarray(values, float)
        return Thought(counts / counts.sum(), counts, known, worth)
    if weights is not None and np.shape(weights) == (n_actions,):
        return Thought(np.asarray(weights, float), None, None, worth)
    return None


def _act(actor: Actor, key: jax.Array, shown: Observation, memory: Memory):
    return actor.act(actor.noise(key), shown, memory)


def _arrays(memory: Memory) -> Memory:
    return jax.tree.map(jnp.asarray, memory)
