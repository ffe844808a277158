"""Exact play of connect four: CPU time per position, and the counts of its rules.

Random positions with 12 to 28 discs, each solved for win, draw or loss with an empty table. The
games of eight moves are counted by the rules of the compiled environment.
"""

import sys
import time

import numpy as np
import options
from claims import Report

from upslope.environments import ConnectFour
from upslope.environments.games.game_tree import game_tree, perft
from upslope.exact import Board, ConnectFourSolver
from upslope.exact.games.solved_positions import random_line

PERFT = [7, 49, 343, 2401, 16807, 117649, 823536, 5686266]


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=100)
    arguments = options.parse(parser)
    report = Report("exact_play", arguments)
    positions = 5 if arguments.quick else arguments.repeats
    for discs in (28, 24, 20, 16) if arguments.quick else (28, 24, 20, 16, 12):
        seconds = solved(discs, positions)
        report.runs[f"{discs} discs"] = seconds
        median = report.measured(f"{discs} discs, CPU time per position", seconds)
        if discs == 16:
            report.at_most("16 discs: CPU seconds of the median position", median, 0.1)
            report.at_most("16 discs: CPU seconds of the worst position", max(seconds), 10.0)
    depth = 5 if arguments.quick else len(PERFT)
    counts = perft(game_tree(ConnectFour(), max_depth=depth))
    report.noted("games by moves", counts)
    wrong = sum(a != b for a, b in zip(counts, PERFT, strict=False))
    report.at_most("counts of games that differ from the published ones", wrong, 0)
    return report.finish()


def solved(discs: int, positions: int) -> list[float]:
    """CPU seconds of each position."""
    generator, seconds = np.random.default_rng(discs), []
    while len(seconds) < positions:
        line = random_line(generator, discs)
        if line is None:
            continue
        solver, began = ConnectFourSolver(), time.process_time()
        solver.value(Board.after(line))
        seconds.append(time.process_time() - began)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
