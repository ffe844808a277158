"""What acting by planning is worth, without any training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.actor import Actor
from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_number, check_settings, check_table
from upslope.core.records import Returns
from upslope.engine.executables import compiled
from upslope.engine.finite_checks import check_returns
from upslope.engine.progress import Evaluation
from upslope.environments import AgainstOpponent, AlternatingGame, FullyObserved, make
from upslope.environments.environment import Environment
from upslope.objectives import DiscountedReturn, EpisodicReturn
from upslope.planning import PLANNERS, GamePlayer, Planner, PlanningActor
from upslope.sampling.episode_returns import sample_returns
from upslope.training.match import MatchEvaluation, play_match
from upslope.training.named_actor import named_actor
from upslope.training.settings import settings_of

# Fields of planners that are not settings: they are given as objects.
NOT_SETTINGS = ("environment", "objective")


def evaluate_planner(
    environment: str | Environment | Any,
    planner: str | Planner,
    *,
    episodes: int = 100,
    seed: int = 0,
    environment_settings: Mapping[str, Any] | None = None,
    gamma: float | None = None,
    opponent: str | Path | Planner | Actor | None = None,
    base: str | Path | Planner | Actor | None = None,
    **settings: Any,
) -> Evaluation | MatchEvaluation:
    """Episodes of an actor that plans in the environment itself, or games against an opponent.

    With an opponent the planner searches the *game*, for both players, and does not know who plays
    against it. Without one a name like "tic-tac-toe" is a task in which the opponent's moves are
    the environment's dynamics: the planner simulates that very opponent.

    Args:
      environment: a name or an `Environment` whose dynamics are known.
      planner: a name in `PLANNERS`, or a planner (in whatever model).
      episodes: how many, all at once.
      seed: of the episodes.
      environment_settings: fields of the environment.
      gamma: the discount that the planner counts with; None or 1 for none.
      opponent: of a game of two players: "random", "minimax", a planner ("mcts", "mcts-1000" for
        1000 simulations), a run's folder, or an actor or planner. Half of the games are played as
        the second player.
      base: the base policy of the planner "rollout", named in the same way.
      **settings: of the planner, by name.

    Returns:
      Undiscounted returns and lengths, [1, episodes], and the steps simulated for them. With an
      opponent a `MatchEvaluation`, `episodes` games on each side.

    Raises:
      UpslopeError: an environment without known dynamics or without a time limit, a game without
        an opponent, an unknown planner or setting (the nearest is offered), or numbers that make no
        sense.
      NumericalError: a return is NaN or infinite.
    """
    check_number("evaluate", "episodes", episodes, at_least=1, integer=True)
    given = check_table("evaluate", "environment_settings", environment_settings)
    simulated = make(environment, **given)
    if not isinstance(simulated, Environment):
        raise UpslopeError(
            f"evaluate got planner={_name(planner)!r} with {environment!r:.80}, a simulator whose "
            "dynamics no program can see: planners simulate a JAX environment. Choose one (upslope "
            "list envs), or train a policy: upslope train ENV METHOD."
        )
    if simulated.time_limit is None:
        raise UpslopeError(
            f"evaluate got {environment!r:.80}, which has time_limit=None and may never end: give "
            "it a time limit (time_limit=...)."
        )
    if opponent is not None:
        game = game_of(simulated)
        planned = build_planner(game, planner, gamma, settings, base)
        if not planned.plays_for_both:
            raise UpslopeError(
                f"evaluate got planner={_name(planner)!r} with an opponent: it searches over "
                "sequences of its own moves and cannot answer another player's. Choose one that "
                f"can ({', '.join(searchers())}), or let the opponent be a part of the environment "
                "that it simulates: --env.opponent instead of --opponent."
            )
        other = named_actor(game, opponent, what="opponent")
        return play_match(game, GamePlayer(planned), other, episodes, seed)
    if isinstance(simulated, AlternatingGame):
        raise UpslopeError(
            f"evaluate got {environment!r:.80}, a game for two players, and nobody to play "
            "against. Name an opponent: opponent='random' (--opponent random), another planner or "
            "a run's folder; or make one a part of the environment: AgainstOpponent(game, actor)."
        )
    actor = PlanningActor(build_planner(simulated, planner, gamma, settings, base))
    population = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], actor)
    limit = simulated.time_limit

    @jax.jit
    def play(key: Key, environment: Environment, population: Actor) -> Returns:
        return sample_returns(key, environment, population, EpisodicReturn(), episodes, limit)[0]

    observed = FullyObserved(simulated)  # pyright: ignore[reportCallIssue] (time_limit is the inner one's)
    arguments = (jax.random.key(seed), observed, population)
    found = compiled(play.lower(*arguments))(*arguments)
    lengths = np.asarray(found.lengths)
    evaluation = Evaluation(
        np.zeros(1, np.int64),
        np.asarray(found.returns, float),
        lengths,
        model_steps=int(lengths.sum()) * actor.planner.model_steps,
    )
    check_returns(evaluation, "A planner that simulates infinite rewards cannot choose.")
    return evaluation


def build_planner(
    environment: Environment,
    planner: str | Planner,
    gamma: float | None,
    settings: Mapping[str, Any],
    base: str | Path | Planner | Actor | None = None,
) -> Planner:
    """The planner of that name in an environment; a planner is taken as it is.

    Args:
      environment: in which it simulates.
      planner: a name or a planner.
      gamma: the discount; None for none.
      settings: of the planner.
      base: the base policy, for the planner that has one.

    Raises:
      UpslopeError: an unknown name or setting.
    """
    if base is not None:
        settings = {**settings, "base": named_actor(environment, base, what="base")}
    if isinstance(planner, Planner):
        if settings or gamma is not None:
            raise UpslopeError(
                "evaluate got a planner that is built already and settings for it "
                f"({', '.join([*settings, *(['gamma'] if gamma is not None else [])])}): settings "
                "go with a name. Build the planner with them instead."
            )
        return planner
    if not isinstance(planner, str):
        raise UpslopeError(
            f"evaluate got planner={planner!r:.80}: it must be an upslope Planner or one of "
            f"{', '.join(PLANNERS.names())}."
        )
    target = PLANNERS.get(planner)
    known = [name for name in settings_of(target) if name not in NOT_SETTINGS]
    check_settings(f"The planner {planner!r}", settings, [*known, "gamma"])
    objective = EpisodicReturn() if gamma is None or gamma == 1 else DiscountedReturn(gamma=gamma)
    return target(environment, objective=objective, **settings)


def game_of(environment: Environment) -> AlternatingGame:
    """The game of two players in an environment: itself, or what is played against an opponent.

    Raises:
      UpslopeError: there is none.
    """
    game = environment.game if isinstance(environment, AgainstOpponent) else environment
    if not isinstance(game, AlternatingGame):
        raise UpslopeError(
            f"evaluate got an opponent with {type(environment).__name__}, which is not a game of "
            "two players: leave the opponent out. Games are 'tic-tac-toe', 'connect-four', 'nim' "
            "and 'pig'."
        )
    return game


def searchers() -> list[str]:
    """The planners that move for both players."""
    return [name for name in PLANNERS.names() if PLANNERS.get(name).plays_for_both]


def _name(planner: str | Planner) -> str:
    return planner if isinstance(planner, str) else type(planner).__name__
