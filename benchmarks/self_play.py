"""Self-play beside mctx and pgx alone, on connect four: simulated moves per second.

Both play many games at once by Gumbel searches with a dense network of the same size; every game
that ends begins anew. Alone means one batch as mctx's and pgx's documentation have it, and nothing
is noted for learning. They take turns in processes of their own.
"""

import sys

import options
from claims import Report
from on_request import PEERS, OnRequest, in_turns


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=7)
    arguments = options.parse(parser)
    report = Report("self_play", arguments)
    command = [sys.executable, str(PEERS / "self_play.py")]
    moves = ["--moves", "2" if arguments.quick else "16"]
    for games in (32, 256):
        size = [*moves, "--games", str(games)]
        programs = {
            "upslope": OnRequest([*command, *size]),
            "mctx and pgx alone": OnRequest([*command, "--alone", *size]),
        }
        in_turns(programs, arguments.repeats)
        medians = []
        for name, program in programs.items():
            program.close()
            label = f"{games} games: {name}"
            report.runs[label] = {"ready": program.ready, "runs": program.runs}
            speeds = [run["steps_per_second"] for run in program.runs]
            medians.append(report.measured(label, speeds, "simulations/s"))
        ours, theirs = medians
        report.at_least(f"{games} games: simulations per second over theirs", ours / theirs, 0.9)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
