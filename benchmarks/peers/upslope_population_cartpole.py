"""Upslope's OpenAI-ES on CartPole-v1 with the peer's settings: simulated steps per second.

The program is the one that `upslope train` runs. Episodes are made not to end before their 500
steps, as the peer simulates them all: nothing is saved by an early end.
"""

import argparse
import importlib.metadata

import jax
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request
from upslope_search import whole_search

from upslope.engine.devices import prepare
from upslope.engine.jax_program import JaxProgram
from upslope.environments import make
from upslope.training.build import build
from upslope.training.config import resolve

POPULATION, EPISODES, STEPS = 128, 4, 500

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--generations", type=int, default=20)
parser.add_argument("--plain", action="store_true", help="without normalising observations")
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()

budget = arguments.generations * POPULATION * EPISODES * STEPS
prepare()
import_seconds = process_seconds()
config = resolve(
    "CartPole-v1",
    "openai-es",
    {
        "policy": "deterministic",
        "hidden": (64, 64),
        "normalize_observations": not arguments.plain,
        "population_size": POPULATION,
        "episodes_per_candidate": EPISODES,
        "common_random_numbers": True,
        "std": 0.05,
        "learning_rate": 0.01,
        "total_timesteps": budget,
        "seeds": 1,
    },
    use_preset=False,
)
endless = make("CartPole-v1", angle_limit=1e9, position_limit=1e9)
program = JaxProgram(build(config, endless).problem, 1, seed=0)
program.compile(block=20)

repeat_on_request(
    {
        "library": "upslope",
        "version": importlib.metadata.version("upslope"),
        "jax": jax.__version__,
        "devices": len(program.devices),
        "import_seconds": import_seconds,
        "compile_seconds": program.compile_seconds,  # tracing included
        "peak_memory_mb": peak_memory_mb(),
    },
    whole_search(program, 1, budget),
    steps=budget,
    repeats=arguments.repeats,
)
