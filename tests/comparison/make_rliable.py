"""Writes rliable.json: what rliable 1.2.0 makes of fixed scores.

In an environment of its own, with `pip install rliable==1.2.0 "pandas<3"`:
`python tests/comparison/make_rliable.py`.
"""

import json
from pathlib import Path

import numpy as np
from rliable import library, metrics

RESAMPLES = 400
TARGET = 0.8
THRESHOLDS = [0.0, 0.25, 0.5, 0.75, 1.0]
STATISTICS = {
    "interquartile_mean": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "optimality_gap": lambda scores: metrics.aggregate_optimality_gap(scores, TARGET),
}


def found(function, scores):
    np.random.seed(0)  # rliable draws from the global generator
    values, intervals = library.get_interval_estimates({"it": scores}, function, reps=RESAMPLES)
    return {"value": values["it"].tolist(), "interval": intervals["it"].tolist()}


def case(runs, other_runs, tasks, seed):
    random = np.random.RandomState(seed)
    # Rounded, so that there are ties.
    x, y = random.rand(runs, tasks).round(1), random.rand(other_runs, tasks).round(1)
    results = {
        name: found(lambda scores, f=f: np.array([f(scores)]), x) for name, f in STATISTICS.items()
    }
    results["probability_of_improvement"] = found(
        lambda a, b: np.array([metrics.probability_of_improvement(a, b)]), [x, y]
    )
    np.random.seed(0)
    profile, ends = library.create_performance_profile(
        {"it": x}, np.array(THRESHOLDS), reps=RESAMPLES
    )
    results["performance_profile"] = {
        "value": profile["it"].tolist(),
        "interval": ends["it"].tolist(),
    }
    return {"x": x.tolist(), "y": y.tolist(), "results": results}


if __name__ == "__main__":
    cases = [case(5, 7, 1, 1), case(10, 6, 3, 2), case(3, 3, 4, 3)]
    table = {
        "resamples": RESAMPLES,
        "target": TARGET,
        "thresholds": THRESHOLDS,
        "cases": cases,
    }
    Path(__file__).with_name("rliable.json").write_text(json.dumps(table, indent=1) + "\n")
