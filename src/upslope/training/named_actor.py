"""Opponents and base policies by name: a player, a planner, a run's policy."""

from __future__ import annotations

from pathlib import Path

from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError
from upslope.environments import RandomLegal, TicTacToe
from upslope.environments.environment import Environment
from upslope.planning import PLANNERS, Planner, PlanningActor
from upslope.training.build import same_kind
from upslope.training.settings import settings_of

WORDS = ("random", "minimax")


def named_actor(
    environment: Environment,
    given: str | Path | Planner | Actor,
    *,
    what: str,
    owner: str = "evaluate",
) -> Actor:
    """Who acts by that name in an environment.

    Args:
      environment: where; the game itself for an opponent.
      given: "random"; "minimax" in tic-tac-toe; a planner's name, with its simulations after a
        hyphen ("mcts-1000"); a run folder, whose best seed acts; or an actor or a planner.
      what: what the user called it, for errors.
      owner: who asks, for errors.

    Raises:
      UpslopeError: nobody has that name, or the policy does not fit the environment.
      StorageError: the run has no policy.
    """
    if isinstance(given, Actor):
        return given
    if isinstance(given, Planner):
        return PlanningActor(given)
    name = str(given)
    if name == "random":
        return RandomLegal()
    if name == "minimax":
        return _minimax(environment, f"{owner} got {what}")
    planner, n_simulations = _planner_name(name)
    if planner is not None:
        target = PLANNERS.get(planner)
        settings = {} if n_simulations is None else {"n_simulations": n_simulations}
        return PlanningActor(target(environment, **settings))
    if not Path(name).is_dir():
        raise UpslopeError(
            f"{owner} got {what}={name!r}: it must be random, minimax (in tic-tac-toe), a planner "
            f"({', '.join(PLANNERS.names())}; mcts-1000 for 1000 simulations) or the folder of a "
            "run."
        )
    from upslope.training.agent import load

    agent = load(name)
    for space in ("observation_space", "action_space"):
        have, want = getattr(environment, space), getattr(agent, space)
        if not same_kind(have, want):
            raise UpslopeError(
                f"{owner} got {what}={name!r}, a policy that was trained with {space} {want}; "
                f"{type(environment).__name__} has {have}. Name a run in the same environment."
            )
    return agent.policy


def _minimax(environment: Environment, subject: str) -> Actor:
    if not isinstance(environment, TicTacToe):
        raise UpslopeError(
            f"{subject}='minimax' in {type(environment).__name__}: perfect play is "
            "stored for tic-tac-toe alone. A strong player of any game is 'mcts-1000'."
        )
    from upslope.environments.games.minimax import tic_tac_toe_minimax

    return tic_tac_toe_minimax()


def _planner_name(name: str) -> tuple[str | None, int | None]:
    """The planner and its simulations in "mcts" and "mcts-1000"; None for another word."""
    if name in PLANNERS.names():
        return name, None
    word, _, number = name.rpartition("-")
    known = word in PLANNERS.names() and number.isdigit()
    if known and "n_simulations" in settings_of(PLANNERS.get(word)):
        return word, int(number)
    return None, None
