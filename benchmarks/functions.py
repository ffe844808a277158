"""Searching functions: CMA-ES against pycma's, Nelder-Mead against SciPy's, in one process.

The same starts, first step sizes, populations, budgets and targets, no restarts. Evaluations are
counted to the first value of 1e-8. Speed is generations (or steps of the simplex) per second with
the function included, compiled before, contestants in turn.
"""

import sys
import time
import warnings
from statistics import median

import numpy as np
import options
from claims import Report
from function_cases import CASES, in_jax, in_numpy, start

TARGET = 1e-8
DIMENSIONS = (2, 5, 10, 20, 40)
TOGETHER = 10  # searches of ours in one timing: one alone takes two milliseconds


def main() -> int:
    """Measures and reports."""
    import upslope

    upslope.configure()
    parser = options.parser(__doc__, repeats=30)
    parser.add_argument("--only", choices=["evaluations", "cma-speed", "nelder-mead"])
    arguments = options.parse(parser)
    name = "functions" if arguments.only is None else f"functions_{arguments.only}"
    report = Report(name.replace("-", "_"), arguments)
    parts = {"evaluations": evaluations, "cma-speed": cma_speed, "nelder-mead": nelder_mead}
    for name, part in parts.items():
        if arguments.only in (None, name):
            part(report, arguments)
    return report.finish()


def evaluations(report: Report, arguments) -> None:
    """Evaluations to the target, and how often it was reached."""
    import cma

    import upslope

    warnings.simplefilter("ignore")  # pycma warns of the noise and of flat ends
    dimensions = DIMENSIONS[:2] if arguments.quick else DIMENSIONS
    ratios, behind = {}, []
    for name, case in CASES.items():
        for dimension in dimensions:
            population = case.population * (4 + int(3 * np.log(dimension)))
            budget = 1000 * case.population * dimension * (4 if dimension < 10 else 2)
            f = in_jax(case, dimension)
            ours, theirs = [], []
            for seed in range(arguments.repeats):
                x0 = start(case, dimension, seed)
                result = upslope.minimize(
                    f, x0, "cma-es", std=case.std, target=TARGET, budget=budget, seed=seed,
                    noisy=False, population_size=population,
                )  # fmt: skip
                ours.append(result.nfev if result.success else np.inf)
                search = cma.CMAEvolutionStrategy(
                    x0,
                    case.std,
                    {"verbose": -9, "ftarget": TARGET, "seed": seed + 1, "maxfevals": budget,
                     "popsize": population},
                )  # fmt: skip
                search.optimize(in_numpy(case, dimension, seed))
                reached = search.best.f <= TARGET
                theirs.append(search.result.evaluations if reached else np.inf)
            label = f"{name}, D = {dimension}"
            report.runs[label] = {"upslope": finite(ours), "pycma": finite(theirs)}
            won, wins = int(np.isfinite(ours).sum()), int(np.isfinite(theirs).sum())
            if min(won, wins) >= arguments.repeats / 2:
                both = (
                    median(x for x in ours if np.isfinite(x)),
                    median(x for x in theirs if np.isfinite(x)),
                )
                ratios[label] = both[0] / both[1]
                report.noted(
                    f"{label}: evaluations {both[0]:.0f} against {both[1]:.0f}, reached {won} and "
                    f"{wins} of {arguments.repeats}; ratio",
                    ratios[label],
                )
            else:
                report.noted(f"{label}: reached by upslope", won)
                report.noted(f"{label}: reached by pycma", wins)
            if fewer(won, wins, arguments.repeats) < 0.01:
                behind.append(label)
    worst = max(ratios, key=ratios.__getitem__)
    report.at_most(f"median evaluations over pycma's, the worst ({worst})", ratios[worst], 1.05)
    geometric = float(np.exp(np.mean(np.log(list(ratios.values())))))
    report.at_most("median evaluations over pycma's, geometric mean", geometric, 1.02)
    text = f"functions on which it succeeds less often (Fisher, 1 %) {behind or ''}".strip()
    report.at_most(text, len(behind), 0)


def finite(values: list[float]) -> list[float | None]:
    """For JSON: None where the target was not reached."""
    return [float(value) if np.isfinite(value) else None for value in values]


def fewer(won: int, wins: int, runs: int) -> float:
    """The chance of so few successes if both had the same rate (one-sided Fisher test)."""
    from scipy.stats import fisher_exact

    return float(fisher_exact([[won, runs - won], [wins, runs - wins]], alternative="less").pvalue)


def cma_speed(report: Report, arguments) -> None:
    """Generations per second at D = 20, the sphere and the rotated ellipsoid."""
    generations = 200 if arguments.quick else 1500
    for name in ("sphere", "rotated ellipsoid"):
        generations_per_second(CASES[name], 20, 20)  # compiles
        speeds = [
            generations_per_second(CASES[name], 20, generations)
            for _ in range(min(arguments.repeats, 7))
        ]
        mine = report.measured(f"{name}: upslope", [s for s, _ in speeds], "generations/s")
        peer = report.measured(f"{name}: pycma", [s for _, s in speeds], "generations/s")
        report.at_least(f"generations per second over pycma's, {name}, D = 20", mine / peer, 8.0)


COMPILED = {}


def generations_per_second(case, dimension: int, generations: int) -> tuple[float, float]:
    """Ours and pycma's, on one function from one start; nothing stops either."""
    import cma

    import upslope

    f = COMPILED.setdefault(case, in_jax(case, dimension))
    x0 = start(case, dimension, 0)
    population = 4 + int(3 * np.log(dimension))
    never = {"tolfun": 0.0, "tolx": 0.0, "tolfunhist": 0.0, "tolconditioncov": 1e300}
    began = time.perf_counter()
    result = upslope.minimize(
        f, x0, "cma-es", std=case.std, budget=generations * population, **never
    )
    mine = result.nit / (time.perf_counter() - began)
    options = {"verbose": -9, "seed": 1, "maxiter": generations, "tolstagnation": 10**9}
    search = cma.CMAEvolutionStrategy(x0, case.std, {**options, **never})
    g = in_numpy(case, dimension, 0)
    began = time.perf_counter()
    search.optimize(g)
    return mine, search.result.iterations / (time.perf_counter() - began)


def nelder_mead(report: Report, arguments) -> None:
    """Steps of the simplex per second, and the same iterates."""
    import jax
    import scipy.optimize

    import upslope

    dimension = 8
    case, x0 = CASES["rosenbrock"], np.linspace(-1.0, 1.0, dimension)
    with jax.enable_x64(True):
        f = in_jax(case, dimension)
        compiled = jax.jit(f)
        settings = {"xatol": 1e-6, "fatol": 1e-6}

        def ours():
            began = time.perf_counter()
            for _ in range(TOGETHER):
                result = upslope.minimize(f, x0, "nelder-mead", budget=100_000, **settings)
            return result, TOGETHER * result.nit / (time.perf_counter() - began)

        def theirs(g):
            began = time.perf_counter()
            limits = {"maxiter": 10**6, "maxfev": 10**6}
            result = scipy.optimize.minimize(
                g, x0, method="Nelder-Mead", options={**settings, **limits}
            )
            return result, result.nit / (time.perf_counter() - began)

        on_jax = lambda x: float(compiled(x))  # noqa: E731
        plain = in_numpy(case, dimension, 0)
        ours(), on_jax(x0)  # compile
        rows = [(ours(), theirs(on_jax), theirs(plain)) for _ in range(min(arguments.repeats, 7))]
    mine, jaxed, numpied = rows[0][0][0], rows[0][1][0], rows[0][2][0]
    report.noted("nelder-mead: steps and evaluations", [mine.nit, mine.nfev])
    report.noted("scipy on the JAX function: steps and evaluations", [jaxed.nit, jaxed.nfev])
    distance = float(np.max(np.abs(mine.x - jaxed.x)))
    report.noted("largest difference of the solutions", distance)
    report.noted("scipy on a NumPy function: value", float(numpied.fun))
    speed = report.measured("nelder-mead: upslope", [r[0][1] for r in rows], "steps/s")
    peer = report.measured("nelder-mead: scipy, JAX function", [r[1][1] for r in rows], "steps/s")
    report.measured("nelder-mead: scipy, NumPy function", [r[2][1] for r in rows], "steps/s")
    report.at_least("steps per second over SciPy's on a JAX function, D = 8", speed / peer, 20.0)


if __name__ == "__main__":
    sys.exit(main())
