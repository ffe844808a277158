"""REINFORCE on CartPole-v1: 16 seeds, an MLP of 64 x 64, 32 episodes a batch.

Says at how many environment steps the mean return of each seed's training batch first reached 475,
and how many steps per second all seeds took together while searching (compilation and evaluations
apart, the loop's own log included).
"""

import sys

import numpy as np
import options
from claims import Report
from core_time import Hooks, process_seconds

SOLVED = 475.0
BUDGET = 200_000


def main() -> int:
    """Measures and reports."""
    import upslope

    parser = options.parser(__doc__, repeats=3)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = options.parse(parser)
    report = Report("reinforce_cartpole", arguments)
    upslope.configure(arguments.seeds)
    budget = BUDGET // 10 if arguments.quick else BUDGET
    report.runs["upslope"] = []
    for number in range(arguments.repeats):
        watch, used = Hooks(), process_seconds_of_this()
        run = upslope.train(
            "CartPole-v1",
            "reinforce",
            seeds=arguments.seeds,
            seed=arguments.first_seed + number,
            total_timesteps=budget,
            hidden=(64, 64),
            n_episodes=32,
            final_episodes=100,
        )
        provenance = watch.read(process_seconds_of_this() - used)
        reached = [first_at(*run.history.curve("return", seed)) for seed in range(arguments.seeds)]
        steps = int(run.summary.steps.sum())
        record = {
            "seed": arguments.first_seed + number,
            "steps_to_475": reached,
            "held_out_returns": run.returns.round(2).tolist(),
            "steps": run.summary.steps.tolist(),
            "search_seconds": run.summary.times.search,
            "compile_seconds": run.summary.times.compile,
            "evaluation_seconds": run.summary.times.evaluation,
            "steps_per_second": steps / run.summary.times.search,
            **provenance,
        }
        report.runs["upslope"].append(record)
        print(f"  run {number}: {record['steps_per_second']:,.0f} steps/s, 475 at {reached}")
        print(f"    held out {record['held_out_returns']}", flush=True)

    records = report.runs["upslope"]
    speed = report.measured(
        "environment steps per second", [r["steps_per_second"] for r in records], "steps/s"
    )
    solved = [s for r in records for s in r["steps_to_475"] if s is not None]
    if solved:
        report.measured("steps until the batch mean is 475, of those that got there", solved, "")
    within = [sum(s is not None and s <= BUDGET for s in r["steps_to_475"]) for r in records]
    report.noted("seeds within the budget, by run", within)
    report.noted(
        "seeds whose held-out mean is 475, by run",
        [int(np.sum(np.asarray(r["held_out_returns"]) >= SOLVED)) for r in records],
    )
    report.at_least(f"fewest seeds within {BUDGET} steps", min(within), arguments.seeds)
    report.at_least("environment steps per second", speed, 1e6)
    return report.finish()


def process_seconds_of_this() -> float:
    """Core seconds of this process so far."""
    import os

    return process_seconds(os.getpid())


def first_at(steps: np.ndarray, returns: np.ndarray) -> int | None:
    """The first step count at which the return is at the bar, None if it never was."""
    good = np.flatnonzero(returns >= SOLVED)
    return int(steps[good[0]]) if good.size else None


if __name__ == "__main__":
    sys.exit(main())
