"""Connect-four positions with their exact values, to measure players by."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.actor import Actor
from upslope.core.annotations import EnvironmentState, Observation
from upslope.core.checks import UpslopeError, check_number
from upslope.environments.games.connect_four import COLUMNS, ConnectFour, Discs
from upslope.environments.wrappers.fully_observed import FullState
from upslope.exact.games.connect_four_solver import CELLS, Board, ConnectFourSolver


class SolvedPositions(NamedTuple):
    """Positions in which it matters what is played."""

    moves: np.ndarray  # [N, P] the moves that led there, columns 0 to 6; -1 after the last
    states: Discs  # [N] each, as `ConnectFour` has them
    observations: Observation  # [N, ...]
    values: np.ndarray  # [N, 7] 1, 0, -1 of each move, to the mover; NaN where it is illegal


def solved_positions(
    n: int = 200, *, seed: int = 0, least_moves: int = 16, most_moves: int = 32
) -> SolvedPositions:
    """Positions from random moves, in which some moves keep the value of the game and some do not.

    Nobody can win on the spot in them, they differ, and their mirror images do, too. Sixteen moves
    or more are solved in milliseconds to seconds each; the same arguments give the same positions.

    Args:
      n: positions.
      seed: of the moves.
      least_moves: discs on the board, at least.
      most_moves: and at most.

    Raises:
      UpslopeError: fewer than one position, or a range of moves that makes no sense.
    """
    owner = "solved_positions"
    check_number(owner, "n", n, at_least=1, integer=True)
    check_number(owner, "least_moves", least_moves, at_least=0, at_most=CELLS - 4, integer=True)
    check_number(
        owner, "most_moves", most_moves, at_least=least_moves, at_most=CELLS - 4, integer=True
    )
    generator, solver = np.random.default_rng(seed), ConnectFourSolver()
    lines: list[list[int]] = []
    values: list[np.ndarray] = []
    seen: set[tuple[int, int]] = set()
    while len(lines) < n:
        line = random_line(generator, int(generator.integers(least_moves, most_moves + 1)))
        if line is None:
            continue
        board = Board.after(line)
        turned = Board.after([COLUMNS - 1 - column for column in line])
        if (board.own, board.mask) in seen:
            continue
        seen |= {(board.own, board.mask), (turned.own, turned.mask)}
        worth = solver.move_values(board)
        legal = worth[~np.isnan(worth)]
        if legal.min() == legal.max() or solver.wins_on_the_spot(board):
            continue
        lines.append(line)
        values.append(worth)
    moves = np.full((n, most_moves), -1)
    for number, line in enumerate(lines):
        moves[number, : len(line)] = line
    states, observations = eqx.filter_jit(jax.vmap(_replayed))(jnp.asarray(moves))
    return SolvedPositions(moves, states, observations, np.stack(values))


def error_rate(
    actor: Actor, positions: SolvedPositions, *, game: ConnectFour | None = None, seed: int = 0
) -> float:
    """How often a move of a player gives the value away: a win for less, a draw for a loss.

    Args:
      actor: a policy or a planner of connect four; asked greedily, with the memory of a game's
        start.
      positions: from `solved_positions`.
      game: whose observations it sees; None for `ConnectFour()`.
      seed: of the actor's noise.

    Raises:
      UpslopeError: an illegal move; it is named, with the legal ones.
    """
    player, shown = actor.greedy(), ConnectFour() if game is None else game
    count = len(positions.values)

    @eqx.filter_jit
    def choose(states: EnvironmentState, keys: jax.Array) -> jax.Array:
        def one(state: EnvironmentState, key: jax.Array) -> jax.Array:
            observation = shown.observe(state)
            seen = FullState(observation, state) if player.observes_state else observation
            memory = jax.tree.map(jnp.asarray, player.initial_memory())
            return player.act(player.noise(key), seen, memory).action

        return jax.vmap(one)(states, keys)

    keys = jax.random.split(jax.random.key(seed), count)
    actions = np.asarray(choose(positions.states, keys))
    chosen = positions.values[np.arange(count), actions]
    if np.isnan(chosen).any():
        place = int(np.flatnonzero(np.isnan(chosen))[0])
        legal = np.flatnonzero(~np.isnan(positions.values[place])).tolist()
        raise UpslopeError(
            f"{type(actor).__name__} chose the illegal move {int(actions[place])} in ConnectFour "
            f"after the moves {positions.moves[place][positions.moves[place] >= 0].tolist()}: "
            f"legal are {legal}."
        )
    return float(np.mean(chosen < np.nanmax(positions.values, axis=1)))


def random_line(generator: np.random.Generator, length: int) -> list[int] | None:
    """So many random moves from the empty board; None where the game ends before."""
    board, line = Board(), []
    for _ in range(length):
        columns = [column for column in range(COLUMNS) if board.play(column) is not None]
        column = int(generator.choice(columns))
        after = board.play(column)
        assert after is not None
        board = after
        line.append(column)
        if board.won:
            return None
    return line


def _replayed(moves: jax.Array) -> tuple[Discs, Observation]:
    """The position after a line of moves, which ends at -1."""
    game, key = ConnectFour(), jax.random.key(0)

    def play(state: Discs, move: jax.Array) -> tuple[Discs, None]:
        after, _ = game.step(key, state, move)
        return jax.tree.map(lambda new, old: jnp.where(move < 0, old, new), after, state), None

    first, _ = game.reset(key)
    state, _ = jax.lax.scan(play, first, moves)
    return state, game.observe(state)
