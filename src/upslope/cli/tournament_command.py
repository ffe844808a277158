"""`upslope tournament NAME...`: a round robin among players of a game."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from upslope.cli.importing import importing
from upslope.cli.result_table import result_table

if TYPE_CHECKING:
    from upslope.comparison.tournament import Tournament


def tournament(words: list[str]) -> int:
    """`upslope tournament NAME... [--env GAME] [--flags]`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.compare_command import take_folders
        from upslope.cli.file_to_write import file_to_write
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    argv = Argv.read(words)
    entrants = take_folders(argv, ("--json", "--quiet"))
    flags = [
        Setting("env", str, "the runs'", "The game, such as connect-four or pgx:othello."),
        Setting("games", int, 100, "Games of every two, half of them on each side."),
        Setting(
            "opening_moves",
            int,
            2,
            "Legal moves at random before the entrants move; each opening is played from both "
            "sides.",
        ),
        Setting("seed", int, 0, "Seed of openings, players and the bootstrap."),
        Setting("confidence", float, 0.95, "Confidence of the intervals."),
        Setting("resamples", int, 1000, "Resamples of the bootstrap."),
        Setting(
            "prior_games", float, 1.0, "Drawn games counted between every two: finite ratings."
        ),
    ]
    output = [
        Setting("json", bool, False, "Print the numbers as JSON instead of tables."),
        Setting("out", str, "none", "A file for the numbers, JSON."),
        Setting("quiet", bool, False, "No word about who is playing."),
    ]
    parsed = parse(
        "upslope tournament",
        "Let players of a game meet, each against each and on both sides: run folders, planners "
        "(mcts-100, gumbel-mcts-32), random, minimax. Elo ratings with bootstrap intervals, and a "
        "cross table.",
        [Group("tournament", flags), Group("output", output)],
        argv,
        "NAME...",
    )
    options, shown = parsed["tournament"], parsed["output"]
    path = file_to_write(shown.get("out"))
    with importing():
        from upslope.comparison.tournament import tournament as hold
        from upslope.training.configure import configure

        configure(1)
    silent = shown.get("quiet") or shown.get("json")
    say = None if silent else lambda text: print(f"playing  {text}", file=sys.stderr, flush=True)
    environment = options.pop("env", None)
    found = hold(entrants, environment, progress=say, **options)
    text = json.dumps(found.to_dict(), indent=1, allow_nan=False)
    if path is not None:
        from upslope.storage import atomic

        atomic.write_bytes(path, f"{text}\n".encode())
    if shown.get("json"):
        print(text)
    else:
        print_tournament(found)
    if path is not None:
        print(f"wrote    {path}", file=sys.stderr if shown.get("json") else sys.stdout)
    return 0


def print_tournament(found: Tournament) -> None:
    """Ratings and who won how often against whom, from the best down."""
    from rich.console import Console
    from rich.text import Text

    from upslope.cli.compare_command import print_whole

    console = Console(highlight=False, soft_wrap=True)
    table = result_table(Text(f"Tournament of {found.game}"))
    for name in ("", "entrant", "Elo", f"{100 * found.confidence:g} %", "score"):
        table.add_column(name, justify="left" if name == "entrant" else "right", no_wrap=True)
    for place in range(len(found.entrants)):
        table.add_column(str(place + 1), justify="right", no_wrap=True)
    for place, one in enumerate(found.order):
        elo = found.ratings
        cells = [
            "." if one == other else "-".join(map(str, found.counts(one, other)))
            for other in found.order
        ]
        table.add_row(
            str(place + 1),
            Text(found.entrants[one]),
            f"{elo.elo[one]:+.0f}",
            f"{elo.low[one]:+.0f} to {elo.high[one]:+.0f}",
            f"{found.score(one):.1%}",
            *cells,
        )
    print_whole(console, table)
    each = 2 * found.results.shape[-1]
    moves = "moves" if found.opening_moves != 1 else "move"
    opening = (
        f"{found.opening_moves} {moves} at random, each opening from both sides"
        if found.opening_moves
        else "from the first position"
    )
    first = found.to_dict()["first_player"]
    console.print("[won-drawn-lost against the entrant of that number]", markup=False)
    console.print(f"games    {each} of every two, {opening}")
    console.print(
        f"sides    who began won {first['won']}, drew {first['drawn']}, lost {first['lost']}"
    )
    if found.unfinished:
        console.print(
            f"note     {found.unfinished} games reached the limit on moves: counted as drawn"
        )
