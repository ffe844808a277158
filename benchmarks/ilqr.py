"""iLQR: swing-ups from 20 starts each, and CPU seconds per plan beside the cross-entropy method's.

The pendulum counts as swung up when its last 50 steps cost less than 0.5 each, the cart-pole when
its last 100 earn more than 0.9 each. Plans of both planners are those of whole episodes in one
compiled program, with the settings below.
"""

import sys
import time

import jax
import numpy as np
import options
from claims import Report

from upslope.environments import FullyObserved, make
from upslope.planning import ILQR, CrossEntropyPlanner, PlanningActor
from upslope.sampling.episodes import sample_episodes

TASKS = {  # name: settings of iLQR, of CEM, last steps that count, the least reward of each
    "Pendulum-v1": ({"horizon": 20}, {"horizon": 20}, 50, -0.5),
    "cartpole-swing-up": ({"horizon": 50}, {"horizon": 50}, 100, 0.9),
}


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=1)
    parser.add_argument("--only", choices=list(TASKS))
    arguments = options.parse(parser)
    report = Report("ilqr", arguments)
    episodes = 2 if arguments.quick else 20
    for name, (of_ilqr, of_cem, n_last, bar) in TASKS.items():
        if arguments.only not in (None, name):
            continue
        environment = make(name)
        planners = {
            "ilqr": ILQR(environment, **of_ilqr),
            "cem": CrossEntropyPlanner(environment, **of_cem),
        }
        for kind, planner in planners.items():
            returns, up, seconds = measured(environment, planner, episodes, n_last, bar)
            report.measured(f"{name}: return of {kind}", map(float, returns), "return")
            plans = episodes * environment.time_limit
            report.noted(f"{name}: CPU ms per plan of {kind}", 1000 * seconds / plans)
            report.noted(f"{name}: swung up by {kind}", f"{int(up.sum())} of {episodes}")
            if kind == "ilqr":
                report.at_least(f"{name}: share swung up by iLQR", float(up.mean()), 1.0)
    return report.finish()


def measured(environment, planner, episodes, n_last, bar):
    """Undiscounted returns, whether each episode ends well, CPU seconds of a second run."""
    limit = environment.time_limit
    observed = FullyObserved(environment)

    @jax.jit
    def play(key, actor):
        return sample_episodes(key, observed, actor, episodes, limit)[0].reward

    actor = PlanningActor(planner)
    play(jax.random.key(1), actor).block_until_ready()
    began = time.process_time()
    rewards = np.asarray(play(jax.random.key(0), actor))
    seconds = time.process_time() - began
    return rewards.sum(axis=0), rewards[-n_last:].mean(axis=0) > bar, seconds


if __name__ == "__main__":
    sys.exit(main())
