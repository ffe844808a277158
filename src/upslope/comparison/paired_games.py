"""Games of two players from random openings, each opening played from both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Int

from upslope.core import tree
from upslope.core.actor import Actor
from upslope.core.annotations import EnvironmentState, Key, Memory, Observation, PyTree
from upslope.core.checks import UpslopeError
from upslope.engine.executables import compiled
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.games.random_legal import random_true
from upslope.environments.wrappers.fully_observed import FullState

OPENING_STREAM, STEP_STREAM = 0x09E2, 0x57E9


class Table(NamedTuple):
    """Games under way: [2, H], those that the first entrant began and those that it did not."""

    game: EnvironmentState
    observation: Observation
    result: Int[Array, "2 H"]  # 1 won, 0 drawn or not over, -1 lost by the first entrant
    moves: Int[Array, "2 H"]
    illegal: Int[Array, "2 H"]  # the first illegal move; -1 for none
    legal: Bool[Array, "2 H A"]  # the legal ones where it was made


class PairedGames(NamedTuple):
    """The games of two entrants."""

    results: np.ndarray  # [2, H] int: of the first entrant, as first and as second player
    moves: np.ndarray  # [2, H] int: of both players, the opening's included
    unfinished: int  # games that the limit of the game on moves has ended: drawn


def play_paired(
    key: Key,
    game: AlternatingGame,
    entrants: tuple[Actor, Actor],
    n_openings: int,
    opening_moves: int,
    names: tuple[str, str],
) -> PairedGames:
    """Plays every opening twice, with the sides changed, all games at once.

    Each opening is `opening_moves` legal moves at random; after it the entrants move. Every game
    has random numbers of its own for each player and for the game's chance.

    Args:
      key: consumed.
      game: with a limit on moves.
      entrants: who plays.
      n_openings: H.
      opening_moves: 0 to begin with the game's first position.
      names: of the entrants, for errors.

    Raises:
      UpslopeError: an entrant made an illegal move (it is named, with the legal ones), or an
        opening ends a game.
    """
    limit = game.time_limit
    assert limit is not None

    @jax.jit
    def play(key: Key, game: AlternatingGame, entrants: tuple[Actor, Actor]) -> PyTree:
        return _games(key, game, entrants, n_openings, opening_moves, limit)

    final, opened = compiled(play.lower(key, game, entrants))(key, game, entrants)
    if bool(np.asarray(opened).any()):
        raise UpslopeError(
            f"tournament got opening_moves={opening_moves}, after which games of "
            f"{type(game).__name__} may be over: give it fewer."
        )
    illegal = np.asarray(final.illegal)
    if (illegal >= 0).any():
        side, number = np.argwhere(illegal >= 0)[0]
        moved = int(final.moves[side, number])
        # Move number n is the beginner's if n is odd, and it was the last one.
        culprit = names[0] if (moved % 2 == 1) == (side == 0) else names[1]
        legal = np.flatnonzero(np.asarray(final.legal)[side, number]).tolist()
        who = culprit if not game.turns_may_go_on else " or ".join(names)
        raise UpslopeError(
            f"{who} made the illegal move {int(illegal[side, number])} in {type(game).__name__}, "
            f"move {moved} of a game: legal were {legal}. An actor has to honour "
            'observation["action_mask"].'
        )
    unfinished = int((~np.asarray(jax.vmap(jax.vmap(game.over))(final.game))).sum())
    return PairedGames(np.asarray(final.result), np.asarray(final.moves), unfinished)


def _games(
    key: Key,
    game: AlternatingGame,
    entrants: tuple[Actor, Actor],
    n_openings: int,
    opening_moves: int,
    limit: int,
) -> tuple[Table, Bool[Array, "2 H"]]:
    """The tables after the last game, and which games the opening has ended already."""
    n = n_openings
    both = lambda leaf: jnp.stack([leaf, leaf])  # noqa: E731
    opening_keys = jax.random.split(jax.random.fold_in(key, OPENING_STREAM), n)
    started, seen = jax.vmap(lambda one: _opened(one, game, opening_moves))(opening_keys)
    n_actions = int(game.action_space.n)
    table = Table(
        jax.tree.map(both, started),
        jax.tree.map(both, seen),
        jnp.zeros((2, n), int),
        jnp.full((2, n), opening_moves),
        jnp.full((2, n), -1),
        jnp.zeros((2, n, n_actions), bool),
    )
    over = jax.vmap(jax.vmap(game.over))
    opened = over(table.game)
    memories = tuple(
        jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (2, n, *jnp.shape(leaf))), one.initial_memory()
        )
        for one in entrants
    )

    def goes_on(carry: tuple[Array, Table, tuple[Memory, Memory]]) -> Array:
        number, table, _ = carry
        return (number < limit) & ~jnp.all(over(table.game))

    def ply(
        carry: tuple[Array, Table, tuple[Memory, Memory]],
    ) -> tuple[Array, Table, tuple[Memory, Memory]]:
        number, table, memories = carry
        keys = jax.random.split(jax.random.fold_in(key, number), (3, 2, n))
        if game.turns_may_go_on:
            movers = jax.vmap(jax.vmap(game.mover))(table.game)
            firsts = movers == jnp.arange(2)[:, None]  # where the first entrant is to move
            acts = [
                jax.vmap(_acted_by(one))(keys[place], table.observation, table.game, memory)
                for place, (one, memory) in enumerate(zip(entrants, memories, strict=True))
            ]
            actions = jnp.where(firsts, acts[0][0], acts[1][0])
            later = [
                _chosen(firsts == (place == 0), acts[place][1], memories[place])
                for place in range(2)
            ]
        else:
            # All games are in step: the first entrant moves in the games of one half alone.
            half = number % 2
            halves = (half, 1 - half)
            actions, later = jnp.zeros((2, n), int), list[Memory]()
            for place, (one, memory) in enumerate(zip(entrants, memories, strict=True)):
                mine = jax.tree.map(lambda leaf, at=halves[place]: leaf[at], (table, memory))
                acted, after = _acted_by(one)(
                    keys[place, 0], mine[0].observation, mine[0].game, mine[1]
                )
                actions = actions.at[halves[place]].set(acted)
                later.append(
                    jax.tree.map(
                        lambda leaf, new, at=halves[place]: leaf.at[at].set(new), memory, after
                    )
                )
            firsts = jnp.broadcast_to((jnp.arange(2) == half)[:, None], (2, n))
        moved = jax.vmap(jax.vmap(lambda *given: _moved(game, *given)))(
            keys[2], table, actions, firsts
        )
        return number + 1, moved, (later[0], later[1])

    start = (jnp.asarray(opening_moves), table, memories)
    return jax.lax.while_loop(goes_on, ply, start)[1], opened


def _opened(key: Key, game: AlternatingGame, moves: int) -> tuple[EnvironmentState, Observation]:
    """The position after some legal moves at random."""
    state, seen = game.reset(key)
    for number in range(moves):
        choice, step = jax.random.split(jax.random.fold_in(key, number + 1))
        state, out = game.step(step, state, random_true(choice, game.action_mask(state)))
        seen = out.observation
    return state, seen


def _acted_by(actor: Actor) -> Callable[..., tuple[Array, Memory]]:
    """What an actor does in N positions, with its memories after it."""

    def act(
        keys: Key, observations: Observation, states: EnvironmentState, memories: Memory
    ) -> tuple[Array, Memory]:
        def one(
            key: Key, observation: Observation, state: EnvironmentState, memory: Memory
        ) -> tuple[Array, Memory]:
            seen = FullState(observation, state) if actor.observes_state else observation
            acted = actor.act(actor.noise(key), seen, memory)
            return jnp.asarray(acted.action, int), acted.memory

        return jax.vmap(one)(keys, observations, states, memories)

    return act


def _chosen(which: Bool[Array, "2 H"], new: Memory, old: Memory) -> Memory:
    return jax.vmap(jax.vmap(tree.where))(which, new, old)


def _moved(
    game: AlternatingGame, key: Key, table: Table, action: Int[Array, ""], first: Bool[Array, ""]
) -> Table:
    """One game after a move; as it was where it is over."""
    over, legal = game.over(table.game), game.legal_actions(table.game)
    allowed = legal[jnp.clip(action, 0, legal.shape[0] - 1)] & (action >= 0)
    wrong = ~over & ~(allowed & (action < legal.shape[0]))
    state, out = game.step(key, table.game, action)
    earned = jnp.sign(jnp.where(first, out.reward, -out.reward)).astype(table.result.dtype)
    return Table(
        state,
        out.observation,
        jnp.where(over, table.result, earned),
        table.moves + ~over,
        jnp.where(wrong & (table.illegal < 0), action, table.illegal),
        jnp.where(wrong & (table.illegal < 0), legal, table.legal),
    )
