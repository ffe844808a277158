"""`upslope train ENV [METHOD]` with the preset against the published returns, seed by seed.

A reference is the mean return that RL Baselines3 Zoo publishes for its tuned agents (one training
run each); a bar is the return at which the task counts as solved. Each seed's solution is
evaluated greedily over 100 held-out episodes.
"""

import sys
from typing import NamedTuple

import options
import upslope_train
from claims import Report


class Reference(NamedTuple):
    """What is published for a task."""

    returns: dict[str, float]  # by the agent; the first one is the one to reach
    bar: float


REFERENCES = {
    "CartPole-v1": Reference({"zoo PPO, 100k steps": 500.0}, 475.0),
    "Pendulum-v1": Reference({"zoo PPO, 100k steps": -172.2}, -200.0),
    "Acrobot-v1": Reference({"zoo PPO, 1M steps": -73.5, "zoo ARS, 500k": -82.9}, -100.0),
    "MountainCarContinuous-v0": Reference(
        {"zoo TRPO, 50k steps": 92.5, "zoo ARS, 500k": 96.7}, 90.0
    ),
    "gymnasium:LunarLander-v3": Reference({"zoo PPO, 1M steps, LunarLander-v2": 242.0}, 200.0),
}
# The same for methods other than the default one, each in a result file of its own.
OF_METHODS = {
    "dqn": {
        "CartPole-v1": Reference({"zoo DQN, 50k steps": 500.0}, 475.0),
        "Acrobot-v1": Reference({"zoo DQN, 100k steps": -76.6}, -100.0),
        "MountainCar-v0": Reference({"zoo DQN, 120k steps": -100.8}, -110.0),
        "gymnasium:LunarLander-v3": Reference(
            {"zoo DQN, 100k steps, LunarLander-v2": 154.4}, 200.0
        ),
    },
}
SEEDS = 4
ENOUGH = 3


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=1)
    parser.add_argument("--method", choices=OF_METHODS, help="not the preset's choice")
    tasks = sorted({*REFERENCES, *(task for rows in OF_METHODS.values() for task in rows)})
    parser.add_argument("--only", choices=tasks, help="one task; its result file is its own")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=7200.0, help="seconds for each task")
    arguments = options.parse(parser)
    enough = -(-arguments.seeds * ENOUGH // SEEDS)
    only, method = arguments.only, arguments.method
    references = REFERENCES if method is None else OF_METHODS[method]
    if only and only not in references:
        parser.error(f"nothing is published for {only} here: {', '.join(references)}.")
    parts = ["references", method, only and only.split(":")[-1].split("-")[0].lower()]
    name = "_".join(filter(None, parts))
    report = Report(name, arguments)
    quick = {"total_timesteps": 4096, "evaluations": 1, "final_episodes": 5}
    for environment in [only] if only else references:
        reference = references[environment]
        report.runs[environment] = []
        for number in range(arguments.repeats):
            record = upslope_train.train(
                arguments.upslope,
                environment,
                method,
                seeds=arguments.seeds,
                seed=arguments.first_seed + number,
                settings=quick if arguments.quick else None,
                timeout=arguments.timeout,
            )
            report.runs[environment].append(record)
            returns = record["held_out_returns"]
            print(
                f"{environment} ({record['method']}, {max(record['steps']):,} steps): "
                f"{returns} in {record['process_wall_seconds']:.1f} s",
                flush=True,
            )
            for agent, wanted in reference.returns.items():
                reached = sum(value >= wanted for value in returns)
                report.noted(f"{environment}: seeds at {wanted:g} ({agent})", reached)
            published = next(iter(reference.returns.values()))
            for what, wanted in (("published", published), ("solved", reference.bar)):
                reached = sum(value >= wanted for value in returns)
                claim = f"{environment}: seeds at {wanted:g} ({what})"
                report.at_least(claim, reached, enough)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
