"""The winner's curse: what a search of a noisy function says it found, and what that is worth.

-|x|^2 + N(0, 1) in five dimensions from (1, ..., 1), 3,000 evaluations each, every remedy at the
same budget. The truth is known: the noise has mean zero.
"""

import sys

import numpy as np
import options
from claims import Report

DIMENSION, BUDGET, NOISE = 5, 3000, 1.0
HILL = {"std": 0.3, "reevaluate": False, "population_size": 10}
REMEDIES = {
    "random search, best kept": ("random-search", {"radius": 1.0, "population_size": 10}),
    "hill climbing": ("hill-climbing", HILL),
    "hill climbing, incumbent tried again": ("hill-climbing", HILL | {"reevaluate": True}),
    "hill climbing, mean of 10": ("hill-climbing", HILL | {"episodes_per_candidate": 10}),
    "hill climbing, tried again, mean of 10": (
        "hill-climbing",
        HILL | {"reevaluate": True, "episodes_per_candidate": 10},
    ),
    "genetic algorithm": (
        "genetic-algorithm",
        {"population_size": 20, "n_parents": 5, "episodes_per_candidate": 1},
    ),
    "genetic algorithm, mean of 4": (
        "genetic-algorithm",
        {"population_size": 20, "n_parents": 5, "episodes_per_candidate": 4},
    ),
    "genetic algorithm, race of 4 rounds": (
        "genetic-algorithm",
        {"population_size": 20, "n_parents": 5, "episodes_per_candidate": 1, "racing": 4},
    ),
    "CMA-ES": ("cma-es", {"std": 0.3}),
    "CMA-ES, mean of 10": ("cma-es", {"std": 0.3, "episodes_per_candidate": 10}),
    "CMA-ES, race of 3 rounds": ("cma-es", {"std": 0.3, "racing": 3}),
    "CMA-ES, uncertainty handling": ("cma-es", {"std": 0.3, "uncertainty_handling": True}),
    "CMA-ES, population 100": ("cma-es", {"std": 0.3, "population_size": 100}),
}


def main() -> int:
    """Measures and reports."""
    import jax
    import jax.numpy as jnp

    import upslope

    upslope.configure()

    def f(x, key):
        return -jnp.sum(x**2) + NOISE * jax.random.normal(key)

    arguments = options.parse(options.parser(__doc__, repeats=30))
    report = Report("noise", arguments)
    curse = {}
    for name, (method, settings) in REMEDIES.items():
        seen, truth = [], []
        for seed in range(arguments.repeats):
            found = upslope.maximize(
                f, np.ones(DIMENSION), method, budget=BUDGET, seed=seed, **settings
            )
            seen.append(found.best_seen)
            truth.append(-float(np.sum(np.square(found.x))))
        report.runs[name] = {"best_seen": seen, "truth": truth}
        best = report.measured(f"{name}: best seen", seen, "f")
        true = report.measured(f"{name}: truth of the solution", truth, "f")
        curse[name] = best - true
        report.noted(f"{name}: best seen less truth", curse[name])
    if not arguments.quick:
        report.at_least(
            "best seen less truth, hill climbing, in standard deviations of the noise",
            curse["hill climbing"] / NOISE,
            2.0,
        )
        truths = {name: np.median(run["truth"]) for name, run in report.runs.items()}
        report.at_least(
            "truth of CMA-ES with a population of 100 less that of the default one",
            truths["CMA-ES, population 100"] - truths["CMA-ES"],
            0.0,
        )
        report.at_least(
            "truth of CMA-ES with uncertainty handling less that without",
            truths["CMA-ES, uncertainty handling"] - truths["CMA-ES"],
            0.0,
        )
        report.at_least(
            "truth of a race of 4 rounds less that of a mean of 4, genetic algorithm",
            truths["genetic algorithm, race of 4 rounds"] - truths["genetic algorithm, mean of 4"],
            0.0,
        )
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
