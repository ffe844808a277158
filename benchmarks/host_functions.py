"""What CMA-ES takes for itself where the function is on the host: beside pycma, on COCO's bbob.

Both search the 24 functions of the suite `bbob` in 2, 5 and 10 dimensions from its initial
solutions, with a first step size of 2, without restarts, for up to 2000 D evaluations. Time is CPU
time of the process over a whole search, less that of as many calls of the function; contestants
take turns on each problem, compiled before. Quality is how many of nine targets, 10^1 to 10^-7
above the least value, are reached.
"""

import contextlib
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import options
from claims import Report

TARGETS = 10.0 ** np.arange(1, -8, -1)
BUDGET, STD = 2000, 2.0


def best_value(problem) -> float:
    """The least value of a problem."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        problem._best_parameter("print")
        (text,) = Path(folder).glob("*best_parameter*")
        return float(problem(np.loadtxt(text)))


def ours(problem, dimension: int) -> tuple[int, float, float]:
    """Evaluations, CPU seconds and best value of a search."""
    import upslope

    began = time.process_time()
    result = upslope.minimize(
        lambda x: problem(x), problem.initial_solution, "cma-es", std=STD,
        budget=BUDGET * dimension, on_host=True,
    )  # fmt: skip
    return result.nfev, time.process_time() - began, result.fun


def pycmas(problem, dimension: int) -> tuple[int, float, float]:
    """The same of pycma."""
    import cma

    began = time.process_time()
    search = cma.CMAEvolutionStrategy(
        problem.initial_solution,
        STD,
        {"verbose": -9, "seed": 1, "maxfevals": BUDGET * dimension},
    )
    search.optimize(lambda x: problem(x))
    return search.result.evaluations, time.process_time() - began, search.best.f


def seconds_per_call(problem) -> float:
    """CPU seconds that one evaluation takes."""
    x = np.array(problem.initial_solution)
    began = time.process_time()
    for _ in range(500):
        problem(x)
    return (time.process_time() - began) / 500


def main() -> int:
    """Measures and reports."""
    import cma
    import cocoex

    arguments = options.parse(options.parser(__doc__, repeats=3))
    warnings.simplefilter("ignore")
    report = Report("host_functions", arguments)
    report.peers = {"cma": cma.__version__, "coco-experiment": cocoex.__version__}
    reached = {"upslope": 0, "pycma": 0}
    contestants = {"upslope": ours, "pycma": pycmas}
    instances = f"1-{arguments.repeats}"
    for dimension in (2, 5, 10):
        suite = cocoex.Suite("bbob", "", f"dimensions: {dimension} instance_indices: {instances}")
        first = suite[0]
        began = time.process_time()
        ours(first, dimension)
        compiling = time.process_time() - began
        own = {name: [] for name in contestants}
        for index in range(2 if arguments.quick else len(suite)):
            problem = suite[index]
            floor, each = best_value(problem), seconds_per_call(problem)
            for name, search in contestants.items():
                evaluations, seconds, best = search(problem, dimension)
                own[name].append(1e6 * (seconds / evaluations - each))
                reached[name] += int(np.sum(best - floor <= TARGETS))
            problem.free()
        report.runs[f"D = {dimension}"] = own
        medians = [
            report.measured(f"D = {dimension}: {name}", own[name], "us per evaluation")
            for name in contestants
        ]
        report.noted(f"D = {dimension}: first search, compiling included, CPU s", compiling)
        report.at_most(
            f"own CPU time per evaluation over pycma's, D = {dimension}",
            medians[0] / medians[1],
            1.2,
        )
    report.noted("targets reached", reached)
    report.at_least(
        "targets reached over pycma's", reached["upslope"] / max(reached["pycma"], 1), 0.97
    )
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
