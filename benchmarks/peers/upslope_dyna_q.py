"""Upslope's Dyna-Q on the book's maze: seconds of search, some seeds at once.

Programs are compiled once: what a later run reports is search, evaluation and bookkeeping.
"""

import argparse
import importlib.metadata
import json
import sys

import jax

import upslope

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--timesteps", type=int, required=True, help="per seed")
parser.add_argument("--planning-steps", type=int, default=50)
parser.add_argument("--seeds", type=int, default=1)
arguments = parser.parse_args()


def train(number: int) -> float:
    """One run; the seconds of its search."""
    run = upslope.train(
        "dyna-maze",
        "dyna-q",
        seed=number,
        seeds=arguments.seeds,
        total_timesteps=arguments.timesteps,
        planning_steps=arguments.planning_steps,
        evaluations=1,
        final_episodes=1,
        progress=False,
    )
    return run.summary.times.search


upslope.configure(arguments.seeds)
train(0)
versions = {"version": importlib.metadata.version("upslope"), "jax": jax.__version__}
print(json.dumps({"event": "ready", "library": "upslope", **versions}), flush=True)
for line in sys.stdin:
    seconds = train(1 + int(line))
    steps = arguments.timesteps * arguments.seeds
    record = {"event": "run", "run": int(line), "seconds": seconds, "steps": steps}
    print(json.dumps({**record, "steps_per_second": steps / seconds}), flush=True)
