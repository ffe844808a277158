"""Round robins: who plays a game how well, with ratings and intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np

from upslope.comparison.elo import Ratings, ratings_with_intervals
from upslope.comparison.paired_games import play_paired
from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError, check_number, check_table
from upslope.environments import AgainstOpponent, AlternatingGame, make
from upslope.environments.environment import Environment
from upslope.planning import Planner, PlanningActor
from upslope.training.evaluate_planner import searchers
from upslope.training.named_actor import named_actor
from upslope.training.run import Run
from upslope.training.run_folder import RunFolder

Entrant: TypeAlias = str | Path | Run | Planner | Actor


@dataclasses.dataclass(frozen=True)
class Tournament:
    """A round robin.

    Attributes:
      game: its name.
      entrants: names [P].
      results: [P, P, H] the row's results against the column in the games that the row began: 1
        won, 0 drawn, -1 lost. The diagonal is not played.
      moves: [P, P, H] of both players in these games.
      ratings: Elo, with mean 0, and intervals.
      confidence: of the intervals.
      opening_moves: at random, before the entrants moved.
      unfinished: games that the game's own limit on moves has ended; they count as drawn.
      seed: of all of it.
    """

    game: str
    entrants: tuple[str, ...]
    results: np.ndarray
    moves: np.ndarray
    ratings: Ratings
    confidence: float
    opening_moves: int
    unfinished: int
    seed: int

    @property
    def order(self) -> list[int]:
        """The entrants from the highest rating down."""
        return [int(place) for place in np.argsort(-self.ratings.elo, kind="stable")]

    def counts(self, one: int, other: int) -> tuple[int, int, int]:
        """Won, drawn and lost games of one entrant against another, both sides."""
        first, second = self.results[one, other], -self.results[other, one]
        both = np.concatenate([first, second])
        return int((both > 0).sum()), int((both == 0).sum()), int((both < 0).sum())

    def score(self, one: int) -> float:
        """The share of its points that an entrant has won: a win is one, a draw half a point."""
        won = [self.counts(one, other) for other in range(len(self.entrants)) if other != one]
        points = sum(wins + draws / 2 for wins, draws, _ in won)
        return points / sum(map(sum, won))

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        table = [
            {
                "name": self.entrants[one],
                "elo": float(self.ratings.elo[one]),
                "low": float(self.ratings.low[one]),
                "high": float(self.ratings.high[one]),
                "score": self.score(one),
                "against": {
                    self.entrants[other]: dict(
                        zip(("won", "drawn", "lost"), self.counts(one, other), strict=True)
                    )
                    for other in self.order
                    if other != one
                },
            }
            for one in self.order
        ]
        first = self.results[~np.eye(len(self.entrants), dtype=bool)]
        return {
            "game": self.game,
            "confidence": self.confidence,
            "games_each": 2 * self.results.shape[-1],
            "opening_moves": self.opening_moves,
            "unfinished": self.unfinished,
            "seed": self.seed,
            "first_player": {
                "won": int((first > 0).sum()),
                "drawn": int((first == 0).sum()),
                "lost": int((first < 0).sum()),
            },
            "entrants": table,
        }


def tournament(
    entrants: Iterable[Entrant] | Mapping[str, Entrant],
    environment: str | Environment | None = None,
    *,
    games: int = 100,
    opening_moves: int = 2,
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 1000,
    prior_games: float = 1.0,
    environment_settings: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Tournament:
    """A round robin among players of a game: every two meet, on both sides; Elo with intervals.

        upslope.tournament(["runs/tic-tac-toe/ppo", "mcts-100", "random"], "tic-tac-toe")

    Games begin with `opening_moves` legal moves at random, and each opening is played twice, with
    the sides changed: players that make no random choices meet in different games, and an opening
    that favours a side favours both. Every game has random numbers of its own. A draw is a draw.

    Args:
      entrants: runs or their folders (the best seed's policy, or its planning actor), planners by
        name ("mcts-100" for 100 simulations, "gumbel-mcts-32"), "random", "minimax" (tic-tac-toe),
        actors and planners; a mapping gives them names.
      environment: the game; None: the runs'.
      games: of every two entrants, an even number.
      opening_moves: 0 for games from the first position.
      seed: of openings, players and the bootstrap.
      confidence: of the intervals, percentiles of a bootstrap over openings.
      resamples: of the bootstrap.
      prior_games: drawn games counted between every two, so that ratings are finite.
      environment_settings: of the environment.
      progress: called with a line before every two meet.

    Raises:
      UpslopeError: fewer than two entrants, one twice, an unknown one, one of another game, no game
        of two players, an illegal move (it is named, with the legal ones), or numbers that make no
        sense.
      StorageError: a run has no policy.
    """
    check_number("tournament", "games", games, at_least=2, integer=True)
    check_number("tournament", "opening_moves", opening_moves, at_least=0, integer=True)
    if games % 2:
        raise UpslopeError(
            f"tournament got games={games}: it must be even, because every opening is played from "
            "both sides."
        )
    named = labelled(entrants)
    game, title = game_among(list(named.values()), environment, environment_settings)
    check_games(named, game, title)
    players = [player_of(game, name, given) for name, given in named.items()]
    names, pairs = tuple(named), list(combinations(range(len(named)), 2))
    key, half = jax.random.key(seed), games // 2
    results = np.zeros((len(names), len(names), half), int)
    moves = np.zeros_like(results)
    unfinished, by_pair = 0, []
    for number, (one, other) in enumerate(pairs):
        if progress is not None:
            progress(f"{names[one]} against {names[other]} ({number + 1} of {len(pairs)})")
        played = play_paired(
            jax.random.fold_in(key, number),
            game,
            (players[one], players[other]),
            half,
            opening_moves,
            (names[one], names[other]),
        )
        by_pair.append(played.results)
        results[one, other], results[other, one] = played.results[0], -played.results[1]
        moves[one, other], moves[other, one] = played.moves
        unfinished += played.unfinished
    ratings = ratings_with_intervals(
        np.stack(by_pair),
        pairs,
        len(names),
        prior_games=prior_games,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
    return Tournament(
        title, names, results, moves, ratings, confidence, opening_moves, unfinished, seed
    )


def player_of(game: AlternatingGame, name: str, given: Entrant, owner: str = "tournament") -> Actor:
    """Who plays under a name.

    Raises:
      UpslopeError: nobody, or a planner that cannot move for both players.
    """
    player = named_actor(game, _plain(given), what="player", owner=owner)
    if isinstance(player, PlanningActor) and not player.planner.plays_for_both:
        raise UpslopeError(
            f"{owner} got {name!r:.80}, a planner over sequences of its own moves, which cannot "
            f"answer another player's: choose one that can ({', '.join(searchers())})."
        )
    return player


def labelled(entrants: Iterable[Entrant] | Mapping[str, Entrant]) -> dict[str, Entrant]:
    """The entrants by name.

    Raises:
      UpslopeError: fewer than two, or one twice.
    """
    if isinstance(entrants, Mapping):
        named = {str(name): given for name, given in entrants.items()}
    else:
        given = [entrants] if isinstance(entrants, str | Path | Run | Actor) else list(entrants)
        names = [_name(one) for one in given]
        for name in names:
            if names.count(name) > 1:
                raise UpslopeError(
                    f"tournament got {name!r} twice: name each entrant once, or give them names of "
                    "their own with a mapping, such as {'a': actor, 'b': actor}."
                )
        named = dict(zip(names, given, strict=True))
    if len(named) < 2:
        raise UpslopeError(
            f"tournament got {len(named)} entrant: it takes two or more, such as "
            "runs/tic-tac-toe/ppo mcts-100 random."
        )
    return named


def game_among(
    entrants: list[Entrant],
    environment: str | Environment | None,
    settings: Mapping[str, Any] | None = None,
    owner: str = "tournament",
) -> tuple[AlternatingGame, str]:
    """The game that is played, and its name: as it is given, or the first run's.

    Raises:
      UpslopeError: nobody says which, or it is not a game of two players.
    """
    settings = check_table(owner, "environment_settings", settings)
    if environment is None:
        configured = next((found for found in map(_environment_of, entrants) if found), None)
        if configured is None:
            raise UpslopeError(
                f"{owner} got no run that says which game is played: name it, with --env "
                "connect-four on the command line or environment='connect-four' in Python."
            )
        environment, settings = configured[0], {**configured[1], **settings}
    built = make(environment, **settings)
    game = built.game if isinstance(built, AgainstOpponent) else built
    title = environment if isinstance(environment, str) else type(game).__name__
    if not isinstance(game, AlternatingGame):
        raise UpslopeError(
            f"{owner} got {title!r:.80}, which is not a game of two players. Games are "
            "'tic-tac-toe', 'connect-four', 'nim', 'pig' and pgx's ('pgx:othello')."
        )
    if game.time_limit is None:
        raise UpslopeError(
            f"{owner} got {title!r:.80} with time_limit=None, which may never end: give it a "
            "time limit."
        )
    return game, title


def check_games(
    named: Mapping[str, Entrant], game: AlternatingGame, title: str, owner: str = "tournament"
) -> None:
    """Refuses entrants of another game.

    Raises:
      UpslopeError: a run was trained in another game, a planner searches in one, or a planner
        cannot move for both players.
    """
    for name, given in named.items():
        planner = given.planner if isinstance(given, PlanningActor) else given
        if isinstance(planner, Planner):
            if type(planner.environment) is not type(game):
                raise UpslopeError(
                    f"{owner} got {name!r:.80}, which searches in "
                    f"{type(planner.environment).__name__}, in a game of {title!r}: build it "
                    "in that game."
                )
            continue
        configured = _environment_of(given)
        if configured is None:
            continue
        theirs = make(configured[0], **configured[1])
        theirs = theirs.game if isinstance(theirs, AgainstOpponent) else theirs
        same = type(theirs) is type(game) and getattr(theirs, "pgx_name", None) == getattr(
            game, "pgx_name", None
        )
        if not same:
            raise UpslopeError(
                f"{owner} got {name!r:.80}, which was trained in {configured[0]!r}, in a "
                f"game of {title!r}: all play one game. Leave it out, or name its game (--env "
                f"{configured[0]})."
            )


def _environment_of(given: Entrant) -> tuple[str, dict[str, Any]] | None:
    """The environment that a run was trained in; None for what is no run."""
    folder = given.folder if isinstance(given, Run) else given
    if not isinstance(folder, str | Path) or not (Path(folder) / "config.yaml").is_file():
        return None
    config = RunFolder.open(Path(folder), lock=False).config()
    return str(config["environment"]), dict(config.get("environment_settings") or {})


def _plain(given: Entrant) -> str | Path | Planner | Actor:
    if not isinstance(given, Run):
        return given
    if given.folder is None:
        raise UpslopeError("This run wrote no folder to play from: give train a folder (out=).")
    return given.folder


def _name(given: Entrant) -> str:
    if isinstance(given, Run):
        return str(given.folder)
    if isinstance(given, str | Path):
        return str(given).rstrip("/") or str(given)
    return type(given).__name__
