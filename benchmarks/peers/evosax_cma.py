"""evosax's CMA-ES on a function: generations per second of one compiled scan, single precision.

It has no stopping rule: the scan is as long as the search usually takes to converge.
"""

import importlib.metadata
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
from cma_arguments import cma_parser
from evosax.algorithms import CMA_ES
from function_cases import CASES, in_jax, start
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request

arguments = cma_parser(__doc__).parse_args()

case = CASES[arguments.function]
f = jax.vmap(in_jax(case, arguments.dimension))
search = CMA_ES(population_size=arguments.population, solution=jnp.zeros(arguments.dimension))
params = search.default_params.replace(std_init=jnp.asarray(case.std))


def generation(state, key):
    ask, tell = jax.random.split(key)
    points, state = search.ask(ask, state, params)
    state, _ = search.tell(tell, points, f(points), state, params)
    return state, state.best_fitness


@jax.jit
def whole(key, x0):
    first, rest = jax.random.split(key)
    state = search.init(first, x0, params)
    return jax.lax.scan(generation, state, jax.random.split(rest, arguments.generations))


import_seconds = process_seconds()
began = time.perf_counter()
x0 = jnp.asarray(start(case, arguments.dimension, 0), jnp.float32)
compiled = whole.lower(jax.random.key(0), x0).compile()


def run(number: int) -> None:
    """Some searches, one after the other."""
    for search in range(arguments.searches):
        one(arguments.searches * number + search)


def one(number: int) -> None:
    """One search."""
    x = jnp.asarray(start(case, arguments.dimension, number), jnp.float32)
    jax.block_until_ready(compiled(jax.random.key(number), x))


repeat_on_request(
    {
        "library": "evosax",
        "version": importlib.metadata.version("evosax"),
        "jax": jax.__version__,
        "import_seconds": import_seconds,
        "compile_seconds": time.perf_counter() - began,
        "peak_memory_mb": peak_memory_mb(),
    },
    run,
    steps=arguments.generations * arguments.searches,
    repeats=arguments.repeats,
)
