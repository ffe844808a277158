"""Upslope's CMA-ES on a function: generations per second of the program that `minimize` compiles.

Double precision. With `--whole` through `upslope.minimize` itself: checks, result and curve, about
a millisecond a search, included.
"""

import importlib.metadata
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from upslope import minimize  # asks XLA for small loops before JAX starts

import jax  # isort: skip
import numpy as np
from cma_arguments import cma_parser
from function_cases import CASES, in_jax, start
from process_clock import peak_memory_mb, process_seconds
from repeat_on_request import repeat_on_request

from upslope.optimization.evaluation import FunctionCall
from upslope.optimization.loops import compiled_search
from upslope.optimization.problem import function_problem

parser = cma_parser(__doc__)
parser.add_argument("--whole", action="store_true", help="whole calls of `minimize`")
arguments = parser.parse_args()

case = CASES[arguments.function]
never = {"tolfun": 0.0, "tolx": 0.0, "tolfunhist": 0.0, "tolconditioncov": 1e300}
with jax.enable_x64(True):
    f = in_jax(case, arguments.dimension)
    call = FunctionCall(f)
import_seconds = process_seconds()


def run(number: int) -> None:
    """Some searches, one after the other."""
    for search in range(arguments.searches):
        one(arguments.searches * number + search)


def one(number: int) -> None:
    """One search."""
    settings = {"population_size": arguments.population, **never}
    x0 = start(case, arguments.dimension, number)
    if arguments.whole:
        result = minimize(
            f, x0, "cma-es", std=case.std, seed=number,
            budget=arguments.generations * arguments.population, **settings,
        )  # fmt: skip
        assert result.nit == arguments.generations, result
        return
    with jax.enable_x64(True):
        if not problems:
            problems.append(function_problem(x0, "cma-es", case.std, None, settings))
        problem = problems[0]._replace(start=x0)
        progress, *_ = compiled_search(
            problem.numbers, np.uint32(number), np.asarray(arguments.generations),
            np.asarray(np.inf), np.asarray(np.inf), call=call, program=arguments.function,
            sign=-1.0, dimension=problem.dimension,
        )  # fmt: skip
        assert int(progress.iteration) == arguments.generations, progress


problems: list = []
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
    steps=arguments.generations * arguments.searches,
    repeats=arguments.repeats,
)
