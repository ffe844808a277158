"""Upslope's UCT with random rollouts on connect four: rollouts per second, many games at once."""

import argparse
import importlib.metadata
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import jax
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request

from upslope.environments import ConnectFour
from upslope.planning import UCT

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--games", type=int, default=256)
parser.add_argument("--simulations", type=int, default=1000)
parser.add_argument("--searches", type=int, default=2)
parser.add_argument("--repeats", type=int)
arguments = parser.parse_args()

game = ConnectFour()
planner = UCT(game, n_simulations=arguments.simulations, exploration=1.0, keep_tree=False)
start, _ = game.reset(jax.random.key(0))
import_seconds = process_seconds()
search = jax.jit(jax.vmap(lambda key: planner.plan(key, start, ()).extras.simulations))


def one(number: int) -> None:
    """One search in every game."""
    keys = jax.random.split(jax.random.key(number), arguments.games)
    assert int(search(keys).sum()) == arguments.games * arguments.simulations


def run(number: int) -> None:
    """Some searches, one after the other."""
    for repeat in range(arguments.searches):
        one(arguments.searches * number + repeat)


began = time.perf_counter()
one(0)
repeat_on_request(
    {
        "library": "upslope",
        "version": importlib.metadata.version("upslope"),
        "jax": jax.__version__,
        "import_seconds": import_seconds,
        "compile_seconds": time.perf_counter() - began,
        "peak_memory_mb": peak_memory_mb(),
    },
    run,
    steps=arguments.games * arguments.simulations * arguments.searches,
    repeats=arguments.repeats,
)
