"""Upslope's Q-learning by iterations of one step: seconds of search, and of the whole run.

Programs are compiled once: what a later run reports is search, evaluation and bookkeeping.
"""

import argparse
import importlib.metadata
import json
import sys
import tempfile
import time
from pathlib import Path

import jax

import upslope

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("environment")
parser.add_argument("--rows", type=int, required=True)
parser.add_argument("--seeds", type=int, default=1)
parser.add_argument("--timesteps", type=int, required=True, help="per seed")
parser.add_argument("--folder", action="store_true", help="write a run folder")
arguments = parser.parse_args()


def train(number: int) -> dict[str, float]:
    """One run; the seconds of its search, and all of them."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = upslope.train(
            arguments.environment,
            "dqn",
            out=Path(folder) / "run" if arguments.folder else None,
            seed=number,
            seeds=arguments.seeds,
            total_timesteps=arguments.timesteps,
            n_envs=1,
            train_freq=1,
            gradient_steps=1,
            batch_size=4,
            hidden=(8,),
            buffer_size=arguments.rows,
            learning_starts=100,
            evaluations=1,
            final_episodes=5,
            use_preset=False,
        )
        wall = time.perf_counter() - began
    return {"search_seconds": run.summary.times.search, "wall_seconds": wall}


upslope.configure(arguments.seeds)
train(0)
versions = {"version": importlib.metadata.version("upslope"), "jax": jax.__version__}
print(json.dumps({"event": "ready", "library": "upslope", **versions}), flush=True)
for line in sys.stdin:
    times = train(1 + int(line))
    steps = arguments.timesteps * arguments.seeds
    record = {"event": "run", "run": int(line), "seconds": times["search_seconds"], "steps": steps}
    record["steps_per_second"] = steps / times["search_seconds"]
    print(json.dumps({**record, **times}), flush=True)
