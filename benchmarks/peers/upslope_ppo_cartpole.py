"""Upslope's PPO on CartPole-v1 with a peer's settings: steady steps per second of its own loop.

The program is the one that `upslope train` runs; only its evaluations and its log are left out, as
the peers' are.
"""

import argparse
import importlib.metadata

import jax
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request
from upslope_search import whole_search

from upslope.engine.devices import prepare
from upslope.engine.jax_program import JaxProgram
from upslope.training.build import build
from upslope.training.config import resolve

SHARED = {"gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2, "clip_range_vf": 0.2}
SHARED |= {"ent_coef": 0.01, "vf_coef": 0.5, "max_grad_norm": 0.5}
SHARED |= {"hidden": (64, 64), "activation": "tanh"}
PEERS = {
    "purejaxrl": {
        "n_envs": 4,
        "n_steps": 128,
        "n_epochs": 4,
        "batch_size": 128,
        "learning_rate": 2.5e-4,
        "learning_rate_schedule": "linear",
    },
    "rejax": {
        "n_envs": 5,
        "n_steps": 100,
        "n_epochs": 5,
        "batch_size": 100,
        "learning_rate": 7.5e-4,
    },
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--settings-of", choices=PEERS, required=True)
parser.add_argument("--seeds", type=int, default=1)
parser.add_argument("--timesteps", type=int, default=500_000, help="per seed")
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()

settings = SHARED | PEERS[arguments.settings_of]
iteration = settings["n_envs"] * settings["n_steps"]
budget = arguments.timesteps // iteration * iteration
prepare(arguments.seeds)
import_seconds = process_seconds()
config = resolve(
    "CartPole-v1",
    "ppo",
    {**settings, "total_timesteps": budget, "seeds": arguments.seeds},
    use_preset=False,
)
program = JaxProgram(build(config).problem, arguments.seeds, seed=0)
program.compile(block=20)

repeat_on_request(
    {
        "library": "upslope",
        "version": importlib.metadata.version("upslope"),
        "jax": jax.__version__,
        "seeds": arguments.seeds,
        "devices": len(program.devices),
        "import_seconds": import_seconds,
        "compile_seconds": program.compile_seconds,  # tracing included
        "peak_memory_mb": peak_memory_mb(),
    },
    whole_search(program, arguments.seeds, budget),
    steps=arguments.seeds * budget,
    repeats=arguments.repeats,
)
