"""Whether a player can be beaten at all, by trying every reply."""

from __future__ import annotations

import dataclasses
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.actor import Actor
from upslope.core.annotations import EnvironmentState, Key, Observation, PyTree
from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.environments.games.alternating_game import AlternatingGame
from upslope.environments.games.game_tree import joined_chunks, without_repetition
from upslope.environments.wrappers.fully_observed import FullState

MAX_POSITIONS = 1_000_000
CHUNK = 256  # positions in which a player is asked at once: a planner searches in all of them


@dataclasses.dataclass(frozen=True)
class Unbeaten:
    """What trying every reply to a player has found.

    Attributes:
      never_loses: whether no game is lost, as either player. Also the truth value of this.
      positions: in which the player was asked for a move, as first and as second player.
      lost: the moves of a lost game, from its beginning, as first and as second player; None where
        there is none.
    """

    never_loses: bool
    positions: tuple[int, int]
    lost: tuple[tuple[int, ...] | None, tuple[int, ...] | None]

    def __bool__(self) -> bool:
        return self.never_loses


def never_loses(
    game: AlternatingGame,
    actor: Actor,
    *,
    moves: Literal["greedy", "all"] = "greedy",
    draws: int = 16,
    seed: int = 0,
) -> Unbeaten:
    """Whether a player loses to no opponent whatever: every legal reply is tried, on both sides.

        assert never_loses(TicTacToe(), policy)

    It is a proof for a player whose move depends on the position alone, not a statistic. An actor
    is asked with the memory of a game's start in every position, and with the same noise.

    Args:
      game: small, without chance. Positions are told apart by their states.
      actor: a policy, a planner of the game (`PlanningActor`) or any actor on its observations.
      moves: "greedy": the move of `actor.greedy()`; "all": every action that has a positive
        probability where it is a policy, else all that come up in `draws` draws.
      draws: of an actor that is no policy.
      seed: of the actor's noise.

    Returns:
      The proof or a lost game.

    Raises:
      UpslopeError: more than a million positions, an illegal move of the player (it is named, with
        the legal ones), or another word.
    """
    check_choice("never_loses", "moves", moves, ("greedy", "all"))
    check_number("never_loses", "draws", draws, at_least=1, integer=True)
    if not isinstance(game, AlternatingGame):
        raise UpslopeError(
            f"never_loses got {type(game).__name__}, which is not a game of two players that move "
            "in turn: give it the game itself, such as TicTacToe()."
        )
    key = jax.random.key(seed)
    asked = key if moves == "greedy" else jax.random.split(key, draws)
    expand = eqx.filter_jit(jax.vmap(_expanded, (None, None, None, 0, 0)))
    player = actor.greedy() if moves == "greedy" else actor
    found = [_beaten(game, player, asked, expand, side) for side in (0, 1)]
    lost = (found[0][1], found[1][1])
    return Unbeaten(lost == (None, None), (found[0][0], found[1][0]), lost)


def _beaten(
    game: AlternatingGame, actor: Actor, keys: Key, expand: PyTree, side: int
) -> tuple[int, tuple[int, ...] | None]:
    """How often one side was asked, and a game that it loses."""
    first = jax.tree.map(lambda leaf: np.asarray(leaf)[None], game.reset(jax.random.key(0)))
    states, observations = first
    lines: list[tuple[int, ...]] = [()]
    positions = total = 0
    while lines:
        total += len(lines)
        if total > MAX_POSITIONS:
            raise UpslopeError(
                f"never_loses got {type(game).__name__}, in which this player meets more than "
                f"{MAX_POSITIONS:,} positions: it is too large to try every reply."
            )
        moves = joined_chunks(
            lambda *given: expand(game, actor, keys, *given),
            (states, observations),
            len(lines),
            CHUNK,
        )
        mine = moves["mover"] == side
        positions += int(mine.sum())
        _check_legal(game, actor, moves, mine, lines)
        tried = moves["legal"] & (moves["chosen"] | ~mine[:, None])
        result = np.where(mine[:, None], moves["reward"], -moves["reward"])
        losing = np.argwhere(tried & (result < 0))
        if len(losing):
            n, action = losing[0]
            return positions, (*lines[n], int(action))
        goes_on = tried & ~moves["over"]
        parents, actions = np.nonzero(goes_on)
        states = jax.tree.map(lambda leaf, at=goes_on: leaf[at], moves["states"])
        observations = jax.tree.map(lambda leaf, at=goes_on: leaf[at], moves["observations"])
        kept, _ = without_repetition(states)
        states = jax.tree.map(lambda leaf, at=kept: leaf[at], states)
        observations = jax.tree.map(lambda leaf, at=kept: leaf[at], observations)
        lines = [(*lines[parents[n]], int(actions[n])) for n in kept]
    return positions, None


def _expanded(
    game: AlternatingGame,
    actor: Actor,
    keys: Key,
    state: EnvironmentState,
    observation: Observation,
) -> dict[str, PyTree]:
    """The moves of a position, and those of them that the actor may choose."""
    actions = jnp.arange(int(game.action_space.n))
    after, out = jax.vmap(lambda action: game.step(jax.random.key(0), state, action))(actions)
    seen = FullState(observation, state) if actor.observes_state else observation
    memory = jax.tree.map(jnp.asarray, actor.initial_memory())
    if keys.ndim == 0:
        acted = actor.act(actor.noise(keys), seen, memory).action
        chosen = actions == acted
    elif getattr(actor, "has_memory", None) is False:
        acted = jnp.zeros((), int)
        chosen = actor(observation).probs > 0  # pyright: ignore[reportCallIssue]
    else:
        acts = jax.vmap(lambda key: actor.act(actor.noise(key), seen, memory).action)(keys)
        acted = acts[0]
        chosen = jnp.any(acts[:, None] == actions[None], axis=0)
    return {
        "states": after,
        "observations": out.observation,
        "reward": out.reward,
        "over": out.terminated,
        "legal": game.legal_actions(state),
        "mover": game.mover(state),
        "chosen": chosen,
        "acted": acted,
    }


def _check_legal(
    game: AlternatingGame,
    actor: Actor,
    moves: dict[str, np.ndarray],
    mine: np.ndarray,
    lines: list[tuple[int, ...]],
) -> None:
    """Raises where the player chooses nothing that is allowed, or something that is not."""
    illegal = mine & ((moves["chosen"] & ~moves["legal"]).any(1) | ~moves["chosen"].any(1))
    if illegal.any():
        n = int(np.flatnonzero(illegal)[0])
        wrong = np.flatnonzero(moves["chosen"][n] & ~moves["legal"][n])
        move = int(wrong[0]) if len(wrong) else int(moves["acted"][n])
        raise UpslopeError(
            f"{type(actor).__name__} chose the illegal move {move} in {type(game).__name__} after "
            f"the moves {list(lines[n])}: legal are {np.flatnonzero(moves['legal'][n]).tolist()}. "
            'An actor has to honour observation["action_mask"].'
        )
