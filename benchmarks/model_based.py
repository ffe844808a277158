"""Model-based search from a cold process: the pendulum, CartPole and a linear system.

Each is one `upslope train` with its preset, compiled programs not kept: four seeds on the pendulum,
whose whole process is timed, five on the others. Held-out returns are means of 100 episodes.
"""

import sys
import tempfile

import options
import upslope_train
from claims import Report

# Environment: seeds per run, how many runs, the bar of a seed's return, how many seeds must clear
# it at least (a share).
TASKS = {
    "Pendulum-v1": (4, 3, -200.0, 0.9),
    "CartPole-v1": (5, 2, 475.0, 0.9),
}


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=1)
    parser.add_argument("--only", choices=list(TASKS))
    arguments = options.parse(parser)
    report = Report("model_based", arguments)
    settings = {"final_episodes": 2 if arguments.quick else 100, "evaluations": 1}
    for environment, (seeds, runs, bar, share) in TASKS.items():
        if arguments.only not in (None, environment):
            continue
        rows = []
        for number in range(1 if arguments.quick else runs):
            with tempfile.TemporaryDirectory() as cache:
                rows.append(
                    upslope_train.train(
                        arguments.upslope,
                        environment,
                        "model-based",
                        seeds=seeds,
                        seed=number,
                        cache=cache,
                        settings=settings,
                    )
                )
        report.runs[environment] = rows
        returns = [value for row in rows for value in row["held_out_returns"]]
        report.measured(f"{environment}: held-out return of a seed", returns, "return")
        report.noted(f"{environment}: environment steps of a seed", max(map(steps_of, rows)))
        seconds = report.measured(
            f"{environment}: whole process, {seeds} seeds",
            [row["process_wall_seconds"] for row in rows],
        )
        cleared = sum(value >= bar for value in returns) / len(returns)
        report.at_least(f"{environment}: share of seeds at {bar:g} or better", cleared, share)
        if environment == "Pendulum-v1":
            report.at_most(f"{environment}: whole process of {seeds} seeds, seconds", seconds, 90.0)
    return report.finish()


def steps_of(row: dict) -> int:
    """The most steps of a seed."""
    steps = row["steps"]
    return max(steps) if isinstance(steps, list) else int(steps)


if __name__ == "__main__":
    sys.exit(main())
