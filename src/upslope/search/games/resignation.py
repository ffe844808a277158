"""Resigning games that are lost, and how often that is wrong."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from upslope.core.actor import Actor
from upslope.core.annotations import Key, Observation
from upslope.core.records import Act
from upslope.search.games.self_play import SelfPlayActor

# Separates who plays on from the searches' own noise.
PLAY_ON_STREAM = 0x9E51


class ResigningMemory(NamedTuple):
    """What a game remembers."""

    moves: Int[Array, ""]  # so far
    plays_on: Bool[Array, ""]  # nobody resigns in this game
    lowest: Float[Array, " 2"]  # the worst that each player has thought of its own position


class ResigningExtras(NamedTuple):
    """What self-play notes of each move; the first of them as `SelfPlayExtras`."""

    weights: Float[Array, " A"]
    value: Float[Array, ""]
    prior_value: Float[Array, ""]
    improved: Bool[Array, ""]
    explored: Bool[Array, ""]
    plays_on: Bool[Array, ""]
    lowest: Float[Array, " 2"]  # the mover's first, then the other player's
    resigned: Bool[Array, ""]


class ResigningActor(Actor):
    """Self-play in a `Resignable` game: who thinks too little of its position gives up.

    A player resigns where both the search's value and its best move's are below the threshold. In
    some games, drawn at their beginning, nobody does: they show what resigning would have cost.

    Attributes:
      player: plays the moves.
      threshold: v_resign; -1: never.
      play_on: share of the games without resignation.
    """

    observes_state: ClassVar[bool] = True
    player: SelfPlayActor
    threshold: Float[Array, ""]
    play_on: float | Array

    def initial_memory(self) -> ResigningMemory:
        return ResigningMemory(jnp.zeros((), int), jnp.zeros((), bool), jnp.ones(2))

    def act(self, noise: Key, observation: Observation, memory: ResigningMemory) -> Act:
        acted = self.player.act(noise, observation, memory.moves)
        found = acted.extras
        best = jnp.maximum(found.value, found.best_value)
        drawn = jax.random.bernoulli(jax.random.fold_in(noise, PLAY_ON_STREAM), self.play_on)
        plays_on = jnp.where(memory.moves == 0, drawn, memory.plays_on)
        mine = jnp.arange(2) == memory.moves % 2
        lowest = jnp.where(mine, jnp.minimum(memory.lowest, best), memory.lowest)
        resigned = ~plays_on & (best < self.threshold)
        resign = found.weights.shape[-1]
        extras = ResigningExtras(
            weights=found.weights,
            value=found.value,
            prior_value=found.prior_value,
            improved=found.improved,
            explored=found.explored,
            plays_on=plays_on,
            lowest=jnp.where(mine[0], lowest, lowest[::-1]),
            resigned=resigned,
        )
        return Act(
            jnp.where(resigned, resign, acted.action),
            ResigningMemory(memory.moves + 1, plays_on, lowest),
            extras,
        )


class Resignation(NamedTuple):
    """What is known of resigning."""

    threshold: Float[Array, ""]  # v_resign
    false_positives: Float[Array, ""]  # running share of them among the games that were played on


class FalsePositives(NamedTuple):
    """Of the games that were played on and ended in some steps."""

    games: Float[Array, ""]
    wrong: Float[Array, ""]  # in how many somebody would have resigned who did not lose


def false_positives(
    reward: Float[Array, "T N"],
    ended: Bool[Array, "T N"],
    plays_on: Bool[Array, "T N"],
    lowest: Float[Array, "T N 2"],
    threshold: Float[Array, ""],
) -> FalsePositives:
    """Counts the games in which a player who did not lose had thought of resigning.

    Args:
      reward: the mover's, [T, N]: above zero it won, below it lost, zero is a draw.
      ended: the game ended with this move.
      plays_on: nobody resigned in this game.
      lowest: what the mover and the other player had thought at worst, [T, N, 2].
      threshold: v_resign.
    """
    mover, other = lowest[..., 0], lowest[..., 1]
    survivor = jnp.where(reward > 0, mover, jnp.where(reward < 0, other, jnp.min(lowest, axis=-1)))
    counted = ended & plays_on
    return FalsePositives(
        jnp.sum(counted, dtype=float), jnp.sum(counted & (survivor < threshold), dtype=float)
    )


def adapted(
    known: Resignation, seen: FalsePositives, target: float | Array, rate: float | Array
) -> Resignation:
    r"""The threshold after games that were played on: towards the target share of false positives.

    .. math:: v \leftarrow v + \eta \, (n \alpha - w)

    for n games of which w were false positives: at rest w / n is alpha, as a quantile is found by
    Robbins and Monro. It stays between -1, at which nobody resigns, and 0.

    References:
      Silver et al. (2017), "Mastering the Game of Go without Human Knowledge", methods: below 5 %,
      measured on the 10 % of games that are played on.
    """
    threshold = known.threshold + rate * (seen.games * target - seen.wrong)
    share = seen.wrong / jnp.maximum(seen.games, 1.0)
    kept = 0.99**seen.games
    return Resignation(
        jnp.clip(threshold, -1.0, 0.0), kept * known.false_positives + (1.0 - kept) * share
    )
