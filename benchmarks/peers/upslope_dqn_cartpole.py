"""Upslope's DQN on CartPole-v1 with a peer's settings: steady steps per second of its own loop.

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

PEERS = {
    "sb3": {  # RL Baselines3 Zoo's tuned settings
        "learning_rate": 2.3e-3,
        "batch_size": 64,
        "buffer_size": 100_000,
        "learning_starts": 1000,
        "target_update_interval": 10,
        "train_freq": 256,
        "gradient_steps": 128,
        "exploration_fraction": 0.16,
        "exploration_final_eps": 0.04,
        "hidden": (256, 256),
        "activation": "relu",
    },
    "rejax": {  # its shipped cartpole.yaml
        "n_envs": 10,
        "learning_rate": 1e-3,
        "batch_size": 100,
        "buffer_size": 50_000,
        "learning_starts": 5000,
        "target_update_interval": 10,
        "tau": 0.02,
        "train_freq": 1,
        "gradient_steps": 5,
        "exploration_fraction": 0.5,
        "exploration_final_eps": 0.05,
        "double_q": True,
        "dueling": True,
        "hidden": (64, 64),
        "activation": "silu",
    },
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--settings-of", choices=PEERS, required=True)
parser.add_argument("--seeds", type=int, default=1)
parser.add_argument("--timesteps", type=int, default=50_000, help="per seed")
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()

settings = PEERS[arguments.settings_of]
iteration = settings.get("n_envs", 1) * settings["train_freq"]
budget = arguments.timesteps // iteration * iteration
prepare(arguments.seeds)
import_seconds = process_seconds()
config = resolve(
    "CartPole-v1",
    "dqn",
    {**settings, "total_timesteps": budget, "seeds": arguments.seeds},
    use_preset=False,
)
program = JaxProgram(build(config).problem, arguments.seeds, seed=0, total_timesteps=budget)
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
