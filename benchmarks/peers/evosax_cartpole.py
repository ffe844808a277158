"""evosax's OpenAI-ES on gymnax's CartPole-v1: simulated steps per second of whole generations.

MLP 64x64, 128 candidates x 4 episodes of 500 steps: its `GymnaxProblem` with its defaults, which
simulate all 500 steps of every episode, also after its end.
"""

import argparse
import importlib.metadata
import time

import jax
import jax.numpy as jnp
import optax
from evosax.algorithms import Open_ES
from evosax.problems import GymnaxProblem
from evosax.problems.networks import MLP
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request

POPULATION, EPISODES, STEPS = 128, 4, 500

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--generations", type=int, default=20)
parser.add_argument("--plain", action="store_true", help="without normalising observations")
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()

policy = MLP(layer_sizes=(64, 64, 2), output_fn=lambda x, key=None: jnp.argmax(x, -1))
problem = GymnaxProblem(
    "CartPole-v1",
    policy,
    episode_length=STEPS,
    num_rollouts=EPISODES,
    use_normalize_obs=not arguments.plain,
)
example = problem.sample(jax.random.key(0))
search = Open_ES(
    POPULATION, example, optimizer=optax.adam(0.01), std_schedule=optax.constant_schedule(0.05)
)
params = search.default_params


def generation(carry, key):
    state, world = carry
    ask, evaluate, tell = jax.random.split(key, 3)
    candidates, state = search.ask(ask, state, params)
    fitness, world, _ = problem.eval(evaluate, candidates, world)
    state, _ = search.tell(tell, candidates, -fitness, state, params)
    return (state, world), fitness.mean()


@jax.jit
def whole(key):
    first, second, rest = jax.random.split(key, 3)
    carry = search.init(first, example, params), problem.init(second)
    return jax.lax.scan(generation, carry, jax.random.split(rest, arguments.generations))


import_seconds = process_seconds()
start = time.perf_counter()
compiled = whole.lower(jax.random.key(0)).compile()
repeat_on_request(
    {
        "library": "evosax",
        "version": importlib.metadata.version("evosax"),
        "jax": jax.__version__,
        "import_seconds": import_seconds,
        "compile_seconds": time.perf_counter() - start,
        "peak_memory_mb": peak_memory_mb(),
    },
    lambda number: jax.block_until_ready(compiled(jax.random.key(number))),
    steps=arguments.generations * POPULATION * EPISODES * STEPS,
    repeats=arguments.repeats,
)
