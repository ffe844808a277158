"""Where a method searches, and where its solutions are evaluated, in games of two players."""

from __future__ import annotations

from typing import TypeAlias

from upslope.core.checks import UpslopeError
from upslope.environments import AgainstOpponent, AlternatingGame, RandomLegal
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.search.search_method import SearchMethod

AnyEnvironment: TypeAlias = Environment | GymnasiumSpec


def searched_and_held_out(
    name: str, method: SearchMethod, environment: AnyEnvironment, opponent: str | None
) -> tuple[AnyEnvironment, AnyEnvironment]:
    """The environment that a method searches, and the one of its held-out episodes.

    A method that plays both sides searches the game itself, and is evaluated against the
    environment's opponent. Every other one does both in the environment as it is.

    Args:
      name: the method's, for errors.
      method: as it is configured.
      environment: what the user named.
      opponent: who plays in its place, in evaluations where the method plays both sides and
        otherwise in training, too: see `named_actor`; None for the environment's own.

    Raises:
      UpslopeError: a game without an opponent for a method that plays one side, a task for one
        player for a method that plays both, or an opponent where there is no game.
    """
    game = environment.game if isinstance(environment, AgainstOpponent) else environment
    if opponent is not None and isinstance(game, AlternatingGame):
        from upslope.training.named_actor import named_actor

        side = environment.play_as if isinstance(environment, AgainstOpponent) else "random"
        other = named_actor(game, opponent, what="opponent")
        environment = AgainstOpponent(game, other, side)
    elif opponent is not None:
        raise UpslopeError(
            f"train() got opponent={opponent!r:.80} with {_title(environment)}, which is not a "
            "game of two players: leave it out. Games are 'tic-tac-toe', 'connect-four', 'nim' and "
            "'pig'."
        )
    if method.plays_both_sides and (isinstance(game, AlternatingGame) or not method.plays_alone):
        if not isinstance(game, AlternatingGame):
            raise UpslopeError(
                f"{name} plays both sides of a game of two players, and {_title(environment)} is "
                "none: choose 'tic-tac-toe', 'connect-four', 'nim' or 'pig', or use ppo or dqn."
            )
        if isinstance(environment, AgainstOpponent):
            return game, environment
        return game, AgainstOpponent(game, RandomLegal())
    if isinstance(environment, AlternatingGame):
        kind = type(environment).__name__
        raise UpslopeError(
            f"{name} plays for one player, and {kind} is a game of two. Make the other one a part "
            f"of the environment: AgainstOpponent({kind}(), actor), opponent='random' "
            "(--opponent random), or use a method that plays both sides, such as alphazero."
        )
    return environment, environment


def _title(environment: AnyEnvironment) -> str:
    return str(getattr(environment, "name", type(environment).__name__))
