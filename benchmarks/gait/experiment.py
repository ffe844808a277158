"""Kohl and Stone's experiment on a simulated quadruped: four searches and theirs, 990 walks each.

Twelve numbers of a half-ellipse gait; J is the mean forward speed of a four-second walk. Every
method tries 15 gaits three times in an iteration (Nelder-Mead one gait) and starts from the same
slow trot. Speeds are of 20 fresh walks of each seed's solution.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

import half_ellipse
import numpy as np
import options
import quadruped
from claims import Report

WALKS = 990
STEPS = int(quadruped.SECONDS * quadruped.RATE)
SHARED = {"population_size": 15, "episodes_per_candidate": 3}
METHODS = {
    "kohl-stone": SHARED | {"step": 0.1, "learning_rate": 0.3},
    "hill-climbing": SHARED | {"std": 0.1, "adaptation": 0.0},
    "genetic-algorithm": SHARED | {"std": 0.1, "n_parents": 5, "radius": 0.1},
    "cma-es": SHARED | {"std": 0.1},
    "nelder-mead": {"episodes_per_candidate": 3, "std": 0.1},
}


def main() -> int:
    """Measures and reports."""
    import upslope

    arguments = options.parse(options.parser(__doc__, repeats=10))
    report = Report("gait", arguments)
    upslope.configure(populations=True)
    walks = 90 if arguments.quick else WALKS
    first = None
    for name, settings in METHODS.items():
        run = upslope.train(
            "gymnasium:Quadruped-v0",
            name,
            policy="half-ellipse",
            total_timesteps=walks * STEPS,
            seeds=arguments.repeats,
            evaluations=6,
            evaluation_episodes=10,
            final_episodes=20,
            out=None,
            **settings,
        )
        curve = [[int(e.steps.max()), e.returns.mean(axis=1).tolist()] for e in run.evaluations]
        report.runs[name] = {"speed": run.returns.tolist(), "curve": curve}
        if first is None:
            first = speed_of_the_first_gait()
            report.measured("the first gait", first, "m/s")
        report.measured(name, run.returns.tolist(), "m/s")
        middle, low, high = run.interval()
        report.noted(f"{name}: interquartile mean and its 95 % interval, m/s", [middle, low, high])
        best = run.policy()
        report.runs[name]["gait"] = {
            field: np.asarray(getattr(best, field)).tolist() for field in half_ellipse.NUMBERS
        }
    if not arguments.quick:
        start = float(np.median(first))
        for name in ("kohl-stone", "hill-climbing", "genetic-algorithm", "cma-es"):
            speeds = report.runs[name]["speed"]
            report.at_least(f"slowest gait of {name} over the first", min(speeds) / start, 2.0)
    return report.finish()


def speed_of_the_first_gait() -> list[float]:
    """20 walks."""
    import jax

    env = quadruped.Quadruped()
    gait = half_ellipse.build(jax.random.key(0), env.observation_space, env.action_space)
    return [half_ellipse.walk(env, gait, seed) for seed in range(20)]


if __name__ == "__main__":
    sys.exit(main())
