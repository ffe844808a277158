"""Tuning: what trials cost that differ in numbers alone, and whether the winner is one.

A tuning of PPO on CartPole-v1 from its preset. The first trial compiles; those after it differ from
it in numbers, and run the same program. Then the winner and the preset are trained on fresh seeds.
CPU seconds, since wall time is the machine's: all cores together.
"""

import sys
import tempfile
import time
from pathlib import Path

import options
from claims import Report

NUMBERS = ["learning_rate", "gamma", "gae_lambda", "clip_range", "ent_coef"]
TRIALS = 16


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=3))
    report = Report("tune", arguments)
    import upslope

    upslope.configure(devices=2)
    steps, longer = (2_048, 2_048) if arguments.quick else (8_192, 40_960)
    firsts, wholes = [], []
    for repeat in range(arguments.repeats):
        ended: list[float] = []
        began = time.process_time()
        # Another size of network each time: nothing is compiled yet.
        tuned(upslope, steps, TRIALS, 1, repeat, lambda _, at=ended: at.append(time.process_time()))
        firsts.append(ended[0] - began)
        wholes.append(ended[-1] - began)
    report.runs["cpu_seconds"] = {"first trial": firsts, f"{TRIALS} trials": wholes}
    first = report.measured("the first trial, compilation included", firsts)
    whole = report.measured(f"{TRIALS} trials", wholes)
    report.at_most(f"{TRIALS} trials by the time of one", whole / first, 3.0)

    began = time.perf_counter()
    count, seeds = (2, 2) if arguments.quick else (40, 16)
    result = tuned(upslope, longer, count, seeds, 0, None, minutes=8.0)
    minutes = (time.perf_counter() - began) / 60
    for one in (result.winner, result.start):
        report.runs[one.label] = one.returns.tolist()
        report.noted(f"{one.label}, in its trial", one.trial_value)
        report.noted(f"{one.label}, on {seeds} fresh seeds", one.mean)
    report.noted("settings of the winner", result.settings)
    report.at_least(
        "the winner less the preset, on fresh seeds", result.winner.mean - result.start.mean, 0.0
    )
    report.at_most("minutes, trials and fresh seeds together", minutes, 10.0)
    return report.finish()


def tuned(upslope, steps, trials, fresh_seeds, repeat, callback, minutes=None):
    """A tuning in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return upslope.tune(
            "CartPole-v1",
            "ppo",
            Path(folder) / "tuning",
            trials=trials,
            search=NUMBERS,
            fresh_seeds=fresh_seeds,
            minutes=minutes,
            pruner="none",
            callback=callback,
            total_timesteps=steps,
            evaluations=2,
            hidden=(64, 64 + repeat),
        )


if __name__ == "__main__":
    sys.exit(main())
