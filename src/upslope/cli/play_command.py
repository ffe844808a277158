"""`upslope play WHO`: a game against a run or a planner, in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from upslope.cli.importing import importing
from upslope.core.checks import UpslopeError, check_choice

if TYPE_CHECKING:
    from pathlib import Path

    from upslope.training.played_game import PlayedGame, Seat, Thought

SIDES = ("first", "second", "random")
HELP = "a move; ? what the search thinks, u take back, q quit"


class Players(NamedTuple):
    """Who sits on which side: a seat, or None for the person."""

    seats: tuple[Seat | None, Seat | None]
    names: tuple[str, str]


def play(words: list[str]) -> int:
    """`upslope play WHO [--env GAME] [--as SIDE] [--against NAME] [--flags]`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.file_to_write import file_to_write
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    argv = Argv.read(words)
    who = argv.take_name()
    flags = [
        Setting("env", str, "the run's", "The game, such as connect-four or pgx:othello."),
        Setting("as", str, "first", "Your side: first, second or random (WHO's, with --against)."),
        Setting("against", str, "you", "Who plays against WHO in your place."),
        Setting("seed", int, 0, "Seed of the players, and of the game's own chance."),
        Setting("out", str, "none", "A page of the game, HTML, to step through by arrow keys."),
    ]
    options = parse(
        "upslope play",
        "Play a game against a run's policy or planner, or a planner by name (mcts-1000): the "
        f"board is drawn, and you are asked for {HELP}.",
        [Group("game", flags)],
        argv,
        "WHO",
    )["game"]
    if who is None:
        raise UpslopeError(
            "upslope play needs somebody to play against: upslope play runs/connect-four/alphazero "
            "or upslope play mcts-1000 --env connect-four"
        )
    check_choice("upslope play", "--as", options.get("as", "first"), SIDES)
    path = file_to_write(options.get("out"))
    with importing():
        from upslope.training.configure import configure

        configure(1)
    played, players, title = begin(who, options)
    person = players.seats.index(None) if None in players.seats else None
    try:
        carry_on(played, players, person)
    except EOFError:
        print("\nstopped: there is no more to read; the game is not finished")
    return finish(played, players, title, path)


def begin(who: str, options: dict[str, object]) -> tuple[PlayedGame, Players, str]:
    """The game and who plays it."""
    import numpy as np

    from upslope.comparison.tournament import check_games, game_among, player_of
    from upslope.training.played_game import PlayedGame, Seat

    against = options.get("against")
    named = [who] if against in (None, "you") else [who, str(against)]
    environment = options.get("env")
    game, title = game_among(
        list(named), None if environment is None else str(environment), owner="play"
    )
    check_games({name: name for name in named}, game, title, owner="play")
    seed = int(str(options.get("seed", 0)))
    side = str(options.get("as", "first"))
    if side == "random":
        side = SIDES[int(np.random.default_rng(seed).integers(2))]
    mine = SIDES.index(side)
    actors = [player_of(game, name, name, owner="play") for name in named]
    if len(actors) == 1:
        seat, names = Seat(actors[0], who, 1), ["you", "you"]
        seats: list[Seat | None] = [None, None]
        seats[1 - mine], names[1 - mine] = seat, who
    else:
        order = (0, 1) if mine == 0 else (1, 0)
        seats = [Seat(actors[one], named[one], one) for one in order]
        names = [named[one] for one in order]
    return PlayedGame(game, seed), Players((seats[0], seats[1]), (names[0], names[1])), title


def carry_on(played: PlayedGame, players: Players, person: int | None) -> None:
    """Plays on to the end, or until the person leaves.

    Raises:
      EOFError: nothing is left to read.
    """
    sides = zip(players.names, ("X", "O"), strict=True)
    print(
        ", ".join(f"{name} {'play' if name == 'you' else 'plays'} {sign}" for name, sign in sides)
    )
    draw(played)
    while not played.over:
        seat = players.seats[played.mover]
        if seat is None:
            assert person is not None
            opponent = players.seats[1 - person]
            if not ask(played, opponent, person):
                return
            continue
        name = players.names[played.mover]
        action, thought = seat.choose(played)
        worth = ""
        if thought is not None and thought.value is not None:
            worth = f", expects {thought.value:+.2f}"
        played.play(action, thought)
        print(f"{name} plays {played.names[action]}{worth}")
        draw(played)


def ask(played: PlayedGame, opponent: Seat | None, person: int) -> bool:
    """One line of the person's, carried out; False for leaving."""
    names = [played.names[action] for action in played.legal]
    shown = ", ".join(names) if len(names) <= 40 else f"{', '.join(names[:12])}, ..."
    print(f"your move ({shown}; ? u q): ", end="", flush=True)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    word = line.strip().lower()
    if not sys.stdin.isatty():
        print(word)
    if word in ("q", "quit", "exit"):
        return False
    if word in ("u", "undo"):
        taken = played.take_back(person)
        print(f"took back {taken} moves" if taken else "there is no move of yours to take back")
        draw(played)
    elif word in ("?", "h", "help"):
        thought = None if opponent is None else opponent.think(played)
        explain(played, thought, opponent)
    else:
        move(played, word)
    return True


def move(played: PlayedGame, word: str) -> None:
    """The person's move, or why it is none."""
    known = {name.lower(): action for action, name in enumerate(played.names)}
    if word not in known:
        said = f"{word!r} is no move" if word else "nothing was typed"
        print(f"{said}: type {HELP}.")
        return
    try:
        played.play(known[word])
    except UpslopeError as error:
        print(error)
        return
    draw(played)


def draw(played: PlayedGame, notes: dict[int, str] | None = None) -> None:
    """The board on the screen."""
    from upslope.drawing.board_text import board_lines
    from upslope.drawing.board_view import facts_of, view_of

    view, facts = view_of(played.game, played.now.state), facts_of(played.game, played.now.state)
    lines = [] if view is None else board_lines(view, notes, played.now.action)
    print("\n".join(["", *lines, *([facts] if facts else []), ""]))


def explain(played: PlayedGame, thought: Thought | None, opponent: Seat | None) -> None:
    """What the opponent's search thinks of the person's moves, over the board and as a table."""
    from rich.console import Console

    from upslope.cli.result_table import result_table

    if thought is None or opponent is None:
        print("the opponent thinks nothing of positions: it neither searches nor has a policy")
        return
    order = sorted(played.legal, key=lambda action: -thought.shares[action])
    draw(played, {action: f"{thought.shares[action]:.0%}" for action in order})
    worth = "" if thought.value is None else f": {thought.value:+.2f} for you"
    table = result_table(f"{opponent.name} on your position{worth}")
    for name in ("move", "visits", "share", "value"):
        table.add_column(name, justify="right")
    for action in order[:12]:
        visits = "" if thought.visits is None else f"{int(thought.visits[action]):,}"
        value = "" if thought.values is None else f"{thought.values[action]:+.2f}"
        shown = "" if value == "+nan" else value
        table.add_row(played.names[action], visits, f"{thought.shares[action]:.1%}", shown)
    Console(highlight=False, soft_wrap=True).print(table)


def finish(played: PlayedGame, players: Players, title: str, path: Path | None) -> int:
    """Says who has won, and writes the page."""
    from upslope.training.game_page import game_html, outcome

    line = " ".join(
        played.names[moment.action] for moment in played.moments if moment.action is not None
    )
    print(f"result   {outcome(played, players.names)}")
    print(f"moves    {line}")
    if path is not None:
        from upslope.storage import atomic

        heading = f"{players.names[0]} against {players.names[1]} in {title}"
        atomic.write_bytes(path, game_html(played, players.names, heading).encode())
        print(f"wrote    {path}")
    return 0
