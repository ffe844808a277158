"""Dyna-Q on the book's maze as one writes it: a Python loop over steps, tables in NumPy."""

import argparse

import numpy as np
from process_clock import process_seconds
from repeat_on_request import repeat_on_request

MAZE = (".......#G", "..#....#.", "S.#....#.", "..#......", ".....#...", ".........")
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
GAMMA, ALPHA, EPSILON = 0.95, 0.1, 0.1

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--timesteps", type=int, required=True)
parser.add_argument("--planning-steps", type=int, default=50)
arguments = parser.parse_args()
cells = "".join(MAZE)
start, goal = cells.index("S"), cells.index("G")


def successor(cell: int, action: int) -> int:
    """Where a move leads."""
    row = min(max(cell // 9 + MOVES[action][0], 0), 5)
    column = min(max(cell % 9 + MOVES[action][1], 0), 8)
    return cell if MAZE[row][column] == "#" else row * 9 + column


after = [[successor(cell, action) for action in range(4)] for cell in range(54)]


def search(seed: int) -> list[int]:
    """The lengths of the episodes that end within the steps."""
    generator = np.random.default_rng(seed)
    values = np.zeros((54, 4))
    model: dict[int, dict[int, tuple[float, int, bool]]] = {}
    visited: list[int] = []
    cell, began, lengths = start, 0, []
    for time in range(arguments.timesteps):
        if generator.random() < EPSILON:
            action = int(generator.integers(4))
        else:
            best = np.flatnonzero(values[cell] == values[cell].max())
            action = int(best[generator.integers(best.size)])
        reached = after[cell][action]
        ended = reached == goal
        reward = float(ended)
        target = reward if ended else reward + GAMMA * values[reached].max()
        values[cell, action] += ALPHA * (target - values[cell, action])
        if cell not in model:
            model[cell] = {}
            visited.append(cell)
        model[cell][action] = (reward, reached, ended)
        for number in generator.random((arguments.planning_steps, 2)):
            state = visited[int(number[0] * len(visited))]
            tried = model[state]
            choice = list(tried)[int(number[1] * len(tried))]
            reward, then, over = tried[choice]
            target = reward if over else reward + GAMMA * values[then].max()
            values[state, choice] += ALPHA * (target - values[state, choice])
        if ended:
            lengths.append(time + 1 - began)
            cell, began = start, time + 1
        else:
            cell = reached
    return lengths


repeat_on_request(
    {"library": "numpy", "version": np.__version__, "import_seconds": process_seconds()},
    search,
    steps=arguments.timesteps,
    repeats=None,
)
