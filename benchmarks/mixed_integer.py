"""Functions of real and whole numbers: CMA-ES with margin here, in cmaes, and pycma's handling.

Half of the coordinates are whole numbers from -10 to 10. Starts are uniform in [1, 3]^D, the first
step size is 1, the target 1e-10, the published populations, no restarts: section 5 of Hamano et
al. (2022). Evaluations are counted to the target; each contestant stops by its own criteria.
"""

import sys
import warnings
from statistics import median

import numpy as np
import options
from claims import Report
from functions import fewer, finite

TARGET, LIMIT = 1e-10, 10.0
DIMENSIONS = (6, 10)


def sphere(x, m):
    return m.sum(x**2)


def ellipsoid(x, m):
    """Condition 10^6; the whole numbers are the second half, the stiff one."""
    return m.sum(1e6 ** (m.arange(x.size) / (x.size - 1)) * x**2)


def soft_ellipsoid(x, m):
    """The same with the whole numbers as the soft half."""
    return ellipsoid(x[::-1], m)


def rotated_ellipsoid(x, m):
    """The real half and the whole half each turned by a rotation of its own; condition 10^4."""
    half, turn = x.size // 2, rotation(x.size // 2)
    scales = 1e4 ** (m.arange(half) / max(half - 1, 1))
    return m.sum(scales * ((turn @ x[:half]) ** 2 + (turn @ x[half:]) ** 2))


def rotation(size):
    return np.linalg.qr(np.random.default_rng(size).normal(size=(size, size)))[0]


FUNCTIONS = {
    "sphere": sphere,
    "ellipsoid, stiff integers": ellipsoid,
    "ellipsoid, soft integers": soft_ellipsoid,
    "rotated ellipsoid": rotated_ellipsoid,
}


def ours(f, x0, whole, budget, seed):
    """Evaluations to the target; infinite where it was not reached."""
    import upslope

    bounds = [(-LIMIT, LIMIT) if integer else (None, None) for integer in whole]
    result = upslope.minimize(
        f, x0, "cma-es", std=1.0, integrality=whole, bounds=bounds, target=TARGET, budget=budget,
        seed=seed,
    )  # fmt: skip
    return result.nfev if result.success else np.inf


def of_cmaes(f, x0, whole, budget, seed):
    """The same of cmaes' CMAwM."""
    from cmaes import CMAwM

    edge = np.where(whole, LIMIT, np.inf)
    search = CMAwM(
        mean=x0, sigma=1.0, bounds=np.stack([-edge, edge], axis=1), steps=whole.astype(float),
        seed=seed,
    )  # fmt: skip
    used = 0
    while used < budget and not search.should_stop():
        told = []
        for _ in range(search.population_size):
            x, raw = search.ask()
            told.append((raw, f(x)))
        used += len(told)
        if min(value for _, value in told) <= TARGET:
            return used
        search.tell(told)
    return np.inf


def of_pycma(f, x0, whole, budget, seed):
    """The same of pycma with `integer_variables`."""
    import cma

    edges = [LIMIT if integer else None for integer in whole]
    search = cma.CMAEvolutionStrategy(
        x0,
        1.0,
        {
            "integer_variables": np.flatnonzero(whole).tolist(),
            "bounds": [[None if edge is None else -edge for edge in edges], edges],
            "ftarget": TARGET, "maxfevals": budget, "seed": seed + 1, "verbose": -9,
        },
    )  # fmt: skip
    rounded = lambda x: f(np.where(whole, np.round(x), x))  # noqa: E731
    search.optimize(rounded)
    return search.result.evaluations if search.best.f <= TARGET else np.inf


def main() -> int:
    """Measures and reports."""
    import cma
    import cmaes
    import jax.numpy as jnp

    import upslope

    upslope.configure()
    warnings.simplefilter("ignore")
    arguments = options.parse(options.parser(__doc__, repeats=15))
    report = Report("mixed_integer", arguments)
    report.peers = {"cmaes": cmaes.__version__, "cma": cma.__version__}
    peers = {"cmaes": of_cmaes, "pycma": of_pycma}
    reached = dict.fromkeys(["upslope", *peers], 0)
    ratios = {name: [] for name in peers}
    behind = []
    for name, f in FUNCTIONS.items():
        in_jax, in_numpy = (lambda x, f=f: f(x, jnp)), (lambda x, f=f: float(f(np.asarray(x), np)))
        for dimension in DIMENSIONS[:1] if arguments.quick else DIMENSIONS:
            whole = np.arange(dimension) >= dimension // 2
            budget = 2000 * dimension
            counts = {name: [] for name in reached}
            for seed in range(arguments.repeats):
                x0 = np.random.default_rng([dimension, seed]).uniform(1, 3, dimension)
                counts["upslope"].append(ours(in_jax, x0, whole, budget, seed))
                for peer, run in peers.items():
                    counts[peer].append(run(in_numpy, x0, whole, budget, seed))
            label = f"{name}, D = {dimension}"
            report.runs[label] = {who: finite(values) for who, values in counts.items()}
            won = {who: int(np.isfinite(values).sum()) for who, values in counts.items()}
            middle = {
                who: median(v for v in values if np.isfinite(v)) if won[who] else np.nan
                for who, values in counts.items()
            }
            report.noted(
                f"{label}: reached of {arguments.repeats}, and median evaluations where it was",
                {who: [won[who], float(middle[who]) if won[who] else None] for who in won},
            )
            for who in reached:
                reached[who] += won[who]
            for peer in peers:
                if fewer(won["upslope"], won[peer], arguments.repeats) < 0.01:
                    behind.append(f"{label} ({peer})")
                if min(won["upslope"], won[peer]) >= arguments.repeats / 2:
                    ratios[peer].append(middle["upslope"] / middle[peer])
    report.noted("targets reached, all functions", reached)
    for peer, values in ratios.items():
        geometric = float(np.exp(np.mean(np.log(values)))) if values else 1.0
        report.at_most(f"median evaluations over {peer}'s, geometric mean", geometric, 1.05)
        share = reached["upslope"] / max(reached[peer], 1)
        report.at_least(f"targets reached over {peer}'s", share, 1.0)
    text = f"functions on which it succeeds less often (Fisher, 1 %) {behind or ''}".strip()
    report.at_most(text, len(behind), 0)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
