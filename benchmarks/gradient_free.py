"""Methods that see returns alone, with their presets: do all seeds solve the classic tasks?

Ten seeds of each. Solved: 475 on CartPole-v1, -100 on Acrobot-v1, -200 on Pendulum-v1, 90 on
MountainCarContinuous-v0, over 100 held-out episodes of each seed's solution. For augmented random
search also: the mean over thirty seeds (1,000 episodes each) against the one published run of RL
Baselines3 Zoo, within its number of steps.
"""

import sys

import numpy as np
import options
from claims import Report

CARTPOLE = ("openai-es", "genetic-algorithm", "cma-es", "cem", "ars", "pgpe")
SOLVED = {
    **{("CartPole-v1", method): 475.0 for method in CARTPOLE},
    ("Acrobot-v1", "cma-es"): -100.0,
    ("Acrobot-v1", "openai-es"): -100.0,
    ("Acrobot-v1", "ars"): -100.0,
    ("Pendulum-v1", "cma-es"): -200.0,
    ("MountainCarContinuous-v0", "cem"): 90.0,
    ("MountainCarContinuous-v0", "cma-es"): 90.0,
    ("MountainCarContinuous-v0", "ars"): 90.0,
}
# RL Baselines3 Zoo: mean return of its trained ARS agent, and how many steps that took.
ZOO = {
    "CartPole-v1": (500.0, 50_000),
    "Pendulum-v1": (-212.540, 2_000_000),
    "MountainCarContinuous-v0": (96.672, 500_000),
    "Acrobot-v1": (-82.884, 500_000),
    "MountainCar-v0": (-122.0, 500_000),
}


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=10))
    import upslope

    report = Report("gradient_free", arguments)
    upslope.configure(populations=True)
    for (environment, method), bar in SOLVED.items():
        returns = run(arguments, report, environment, method)
        solved = int(np.sum(returns >= bar))
        report.at_least(
            f"{environment}, {method}: seeds at {bar:g} or more, of {len(returns)}",
            solved,
            len(returns),
        )
    for environment, (published, steps) in ZOO.items():
        returns = run(
            arguments, report, environment, "ars", seeds=3 * arguments.repeats,
            total_timesteps=steps, final_episodes=1000,
        )  # fmt: skip
        report.at_least(
            f"{environment}, ars after {steps:,} steps: mean return over the zoo's",
            float(returns.mean()),
            published,
        )
    return report.finish()


def run(
    arguments, report: Report, environment: str, method: str, seeds: int | None = None, **settings
) -> np.ndarray:
    """Held-out returns of the seeds' solutions."""
    import upslope

    if arguments.quick:
        settings["total_timesteps"] = 2000
    result = upslope.train(
        environment, method, seeds=seeds or arguments.repeats, evaluations=1, out=None, **settings
    )
    steps = int(result.summary.steps.max())
    episodes = result.config.final_episodes
    name = f"{environment}, {method}, {steps:,} steps, {episodes} episodes"
    report.runs[name] = {"returns": result.returns.tolist(), "steps": steps}
    report.measured(name, result.returns.tolist(), "return")
    return result.returns


if __name__ == "__main__":
    sys.exit(main())
