"""open_spiel's C++ MCTS with random rollouts on connect four: rollouts per second, one thread."""

import argparse
import importlib.metadata
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import pyspiel
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--simulations", type=int, default=1000)
parser.add_argument("--searches", type=int, default=256)
parser.add_argument("--repeats", type=int)
arguments = parser.parse_args()

game = pyspiel.load_game("connect_four")
evaluator = pyspiel.RandomRolloutEvaluator(1, 0)
# uct_c, simulations, megabytes, solve, seed, verbose
bot = pyspiel.MCTSBot(game, evaluator, 2.0, arguments.simulations, 1000, True, 1, False)
state = game.new_initial_state()
import_seconds = process_seconds()


def run(number: int) -> None:
    """Some searches, one after the other."""
    for _ in range(arguments.searches):
        bot.mcts_search(state)


began = time.perf_counter()
bot.mcts_search(state)
repeat_on_request(
    {
        "library": "open_spiel",
        "version": importlib.metadata.version("open-spiel"),
        "import_seconds": import_seconds,
        "compile_seconds": time.perf_counter() - began,
        "peak_memory_mb": peak_memory_mb(),
    },
    run,
    steps=arguments.simulations * arguments.searches,
    repeats=arguments.repeats,
)
