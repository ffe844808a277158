"""All positions of a small game, and what they are worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.annotations import EnvironmentState, Observation, PyTree
from upslope.core.checks import UpslopeError
from upslope.environments.games.alternating_game import AlternatingGame

CHUNK = 2048  # positions whose moves are made in one call
MAX_POSITIONS = 1_000_000


class Level(NamedTuple):
    """The positions after n moves, without repetition, that are not over."""

    states: EnvironmentState  # [N, ...]
    observations: Observation  # [N, ...]
    paths: np.ndarray  # [N] int: how many games lead there
    legal: np.ndarray  # [N, A] bool
    reward: np.ndarray  # [N, A] the mover's
    over: np.ndarray  # [N, A] bool: the move ends the game
    successor: np.ndarray  # [N, A] int: position in the next level; -1 where there is none


def game_tree(
    game: AlternatingGame, max_depth: int | None = None, chunk: int = CHUNK
) -> list[Level]:
    """Every position that legal moves reach, level by level. Host code, for small games.

    The game must be deterministic. Positions are told apart by their states.

    Args:
      game: to enumerate.
      max_depth: levels, of positions after 0, 1, ... moves; None for all.
      chunk: positions whose moves are made in one call, each of them every one there is.

    Raises:
      UpslopeError: more than a million positions.
    """
    n_actions = int(game.action_space.n)
    key = jax.random.key(0)

    @jax.jit
    def expand(states: EnvironmentState) -> PyTree:
        move = lambda state, action: game.step(key, state, action)  # noqa: E731
        moves = jax.vmap(jax.vmap(move, (None, 0)), (0, None))
        after, out = moves(states, jnp.arange(n_actions))
        legal = jax.vmap(game.legal_actions)(states)
        return after, out.observation, legal, out.reward, out.terminated

    first = jax.tree.map(lambda leaf: np.asarray(leaf)[None], game.reset(key))
    states, observations = first
    paths, levels, total = np.ones(1, np.int64), [], 0
    while len(paths) and (max_depth is None or len(levels) < max_depth):
        total += len(paths)
        if total > MAX_POSITIONS:
            raise UpslopeError(
                f"game_tree got {type(game).__name__}, which has more than {MAX_POSITIONS:,} "
                "positions: it is too large to enumerate."
            )
        after, seen, legal, reward, over = joined_chunks(expand, (states,), len(paths), chunk)
        goes_on = legal & ~over
        flat = jax.tree.map(lambda leaf, at=goes_on: leaf[at], after)
        first_of, inverse = without_repetition(flat)
        successor = np.full(legal.shape, -1)
        successor[goes_on] = inverse
        levels.append(Level(states, observations, paths, legal, reward, over, successor))
        weights = np.broadcast_to(paths[:, None], legal.shape)[goes_on]
        paths = np.bincount(inverse, weights, len(first_of)).astype(np.int64)
        states = jax.tree.map(lambda leaf, at=first_of: leaf[at], flat)
        observations = jax.tree.map(lambda leaf, at=goes_on: leaf[at], seen)
        observations = jax.tree.map(lambda leaf, at=first_of: leaf[at], observations)
    return levels


def perft(levels: list[Level]) -> list[int]:
    """How many sequences of n = 1, 2, ... legal moves there are."""
    return [int(np.sum(level.paths[:, None] * level.legal)) for level in levels]


def minimax_values(levels: list[Level]) -> list[np.ndarray]:
    r"""What each legal action is worth to the mover when both play perfectly, [N, A] per level.

    .. math:: Q(s, a) = r(s, a) - \max_{a'} Q(s', a')

    Illegal actions are minus infinity.
    """
    values: list[np.ndarray] = []
    ahead = np.zeros(0)
    for level in reversed(levels):
        worth = level.reward - _ahead(level, ahead)
        values.append(np.where(level.legal, worth, -np.inf))
        ahead = values[-1].max(axis=1)
    return values[::-1]


def uniform_moves(levels: list[Level]) -> list[np.ndarray]:
    """Probabilities [N, A] in each level of a player who moves at random, within the rules."""
    return [level.legal / level.legal.sum(axis=1, keepdims=True) for level in levels]


def best_response_value(
    levels: list[Level], opponent: list[np.ndarray], *, begins: bool | None = None
) -> float:
    """What a player earns on average who knows the opponent's probabilities and answers best.

    Args:
      levels: from `game_tree`.
      opponent: probabilities [N, A] in each level.
      begins: whether the player makes the first move; None: a fair coin decides.
    """
    if begins is None:
        sides = [best_response_value(levels, opponent, begins=side) for side in (True, False)]
        return float(np.mean(sides))
    ahead = np.zeros(0)
    for depth in reversed(range(len(levels))):
        level = levels[depth]
        mine = (depth % 2 == 0) == begins
        # `ahead` is always the player's own value.
        worth = (1 if mine else -1) * level.reward + _ahead(level, ahead)
        if mine:
            ahead = np.where(level.legal, worth, -np.inf).max(axis=1)
        else:
            ahead = np.sum(np.where(level.legal, opponent[depth] * worth, 0.0), axis=1)
    return float(ahead[0])


def _ahead(level: Level, values: np.ndarray) -> np.ndarray:
    """The values [N, A] of the positions that moves lead to; zero where the game is over."""
    if not values.size:
        return np.zeros(level.successor.shape)
    return np.where(level.successor >= 0, values[level.successor], 0.0)


def without_repetition(states: EnvironmentState) -> tuple[np.ndarray, np.ndarray]:
    """Where each of U different states [N, ...] stands first, [U], and which each is, [N]."""
    codes = np.concatenate(
        [leaf.reshape(len(leaf), math.prod(leaf.shape[1:])) for leaf in jax.tree.leaves(states)],
        axis=1,
    )
    _, first_of, inverse = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    return first_of, inverse.ravel()


def joined_chunks(
    function: Callable[..., PyTree], trees: tuple[PyTree, ...], count: int, chunk: int = CHUNK
) -> PyTree:
    """A batched function of trees [N, ...] in calls of one size, so that it is compiled once."""
    parts = []
    for start in range(0, count, chunk):
        index = np.minimum(np.arange(start, start + chunk), count - 1)
        out = function(*jax.tree.map(lambda leaf, at=index: leaf[at], trees))
        keep = min(chunk, count - start)
        parts.append(jax.tree.map(lambda leaf, n=keep: np.asarray(leaf)[:n], out))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
