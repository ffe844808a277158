"""Games of a planner against an opponent, as either player."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.core.records import Returns
from upslope.engine.executables import compiled
from upslope.environments import AgainstOpponent, AlternatingGame, FullyObserved
from upslope.environments.environment import Environment
from upslope.objectives import EpisodicReturn
from upslope.planning import GamePlayer
from upslope.sampling.episode_returns import sample_returns

SIDES = ("first", "second")


class Share(NamedTuple):
    """How often something happened, with its 95 % interval (Wilson's)."""

    count: int
    share: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class MatchEvaluation:
    """Games of a player against an opponent.

    Attributes:
      returns: [2, E] the player's results as first and as second player: above zero is won.
      lengths: [2, E] its own moves.
      model_steps: the most steps that its planner can have simulated.
    """

    returns: np.ndarray
    lengths: np.ndarray
    model_steps: int

    def shares(self, side: str) -> dict[str, Share]:
        """Won, drawn and lost games of a side, "first" or "second"."""
        results = self.returns[SIDES.index(side)]
        counts = {"won": results > 0, "drawn": results == 0, "lost": results < 0}
        return {name: wilson(int(which.sum()), results.size) for name, which in counts.items()}

    def mean(self, side: str) -> tuple[float, float]:
        """The mean result of a side and its standard error."""
        results = self.returns[SIDES.index(side)]
        return float(results.mean()), float(results.std() / math.sqrt(results.size))


def play_match(
    game: AlternatingGame, player: GamePlayer, opponent: Actor, episodes: int, seed: int
) -> MatchEvaluation:
    """Games on both sides.

    Args:
      game: of both players.
      player: who is evaluated.
      opponent: against whom.
      episodes: games on each side, all at once.
      seed: of the games.

    Raises:
      UpslopeError: the game has no time limit.
    """
    if game.time_limit is None:
        raise UpslopeError(
            f"evaluate got {type(game).__name__} with time_limit=None, which may never end: give "
            "it a time limit (time_limit=...)."
        )
    population = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], player)
    returns, lengths = [], []
    for number, side in enumerate(SIDES):
        against = FullyObserved(AgainstOpponent(game, opponent, side))  # pyright: ignore[reportCallIssue] (time_limit is the inner one's)
        limit = against.time_limit
        assert limit is not None

        @jax.jit
        def play(
            key: Key, environment: Environment, population: Actor, limit: int = limit
        ) -> Returns:
            objective = EpisodicReturn()
            return sample_returns(key, environment, population, objective, episodes, limit)[0]

        arguments = (jax.random.fold_in(jax.random.key(seed), number), against, population)
        found = compiled(play.lower(*arguments))(*arguments)
        returns.append(np.asarray(found.returns[0], float))
        lengths.append(np.asarray(found.lengths[0]))
    moves = np.array(lengths)
    return MatchEvaluation(np.array(returns), moves, int(moves.sum()) * player.planner.model_steps)


def wilson(count: int, n: int) -> Share:
    r"""A share of n with Wilson's 95 % interval, which holds near 0 and 1, too.

    .. math:: \frac{\hat p + z^2 / 2n \pm z \sqrt{\hat p (1 - \hat p) / n + z^2 / 4 n^2}}{1 + z^2/n}

    References:
      Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    z, p = 1.959964, count / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Share(count, p, max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))
