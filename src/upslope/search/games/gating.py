"""A match between two networks, which decides who plays from now on."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core import tree
from upslope.core.annotations import EnvironmentState, Key
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.wrappers.fully_observed import FullState
from upslope.search.games.self_play import SelfPlayActor


class Table(NamedTuple):
    """Games of a match, leaves [n, ...]: all with the same player to move."""

    state: EnvironmentState
    running: Bool[Array, " n"]
    score: Float[Array, " n"]  # of the candidate: 1 won, 0 lost, a half drawn or unfinished


def match_score(
    key: Key,
    game: AlternatingGame,
    candidate: SelfPlayActor,
    champion: SelfPlayActor,
    n_games: int,
) -> Float[Array, ""]:
    """The candidate's share of the points in games against the champion, half of them as first.

    A drawn game, and one that its time limit ends, is half a point for each.

    Args:
      key: consumed.
      game: in which the players alternate move by move.
      candidate: who is tried.
      champion: who plays until now.
      n_games: rounded down to an even number.
    """
    half, limit = n_games // 2, game.time_limit
    assert limit is not None
    first = jax.vmap(game.reset)(jax.random.split(jax.random.fold_in(key, limit), half))[0]

    def table() -> Table:
        return Table(first, jnp.ones(half, bool), jnp.full(half, 0.5))

    def move(key: Key, table: Table, player: SelfPlayActor, number: Array, sign: float) -> Table:
        def one(key: Key, state: EnvironmentState) -> tuple[EnvironmentState, Array, Array]:
            act_key, step_key = jax.random.split(key)
            act = player.act(act_key, FullState(game.observe(state), state), number)
            after, out = game.step(step_key, state, act.action)
            return after, out.reward, out.terminated

        after, reward, terminated = jax.vmap(one)(jax.random.split(key, half), table.state)
        ended = table.running & terminated
        score = jnp.where(ended, 0.5 + 0.5 * sign * jnp.sign(reward), table.score)
        state = tree.where(table.running, after, table.state)
        return Table(state, table.running & ~terminated, score)

    def round_of_two(carry: tuple[Table, Table], number: Array) -> tuple[tuple[Table, Table], None]:
        begun, answered = carry
        keys = jax.random.split(jax.random.fold_in(key, number), 4)
        begun = move(keys[0], begun, candidate, number, 1.0)
        answered = move(keys[1], answered, champion, number, -1.0)
        begun = move(keys[2], begun, champion, number + 1, -1.0)
        answered = move(keys[3], answered, candidate, number + 1, 1.0)
        return (begun, answered), None

    numbers = 2 * jnp.arange((limit + 1) // 2)
    (begun, answered), _ = jax.lax.scan(round_of_two, (table(), table()), numbers)
    return 0.5 * (jnp.mean(begun.score) + jnp.mean(answered.score))
