"""The ladder: every family of methods on problems whose optimum is known, regret against steps.

From the bottom: gradient-free search, the policy gradient, Q-learning, Dyna, planning in a fitted
model, and planning in the true one. Regret is J* - J of the policy that a method would hand over at
that moment, both computed exactly from the tables or the matrices: nothing is evaluated by playing.
Steps are those of the environment; simulated ones are counted apart. `--only PROBLEM` takes one
problem, `--figure FILE` draws the picture, and with `--stored` that of what was measured before.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import options
from claims import Report

# Steps of the first look; looks are evenly spaced in the logarithm from there.
FIRST, LOOKS = 50, 28


def main() -> int:
    """Measures, draws and reports."""
    parser = options.parser(__doc__, repeats=10)
    parser.add_argument("--only", help="one problem")
    parser.add_argument("--figure", type=Path, help="a picture of the stored results to draw")
    parser.add_argument("--stored", action="store_true", help="measure nothing")
    arguments = options.parse(parser)
    from ladder_problems import PROBLEMS

    import upslope

    if arguments.only is not None and arguments.only not in PROBLEMS:
        parser.error(f"--only {arguments.only}: must be one of {', '.join(PROBLEMS)}")
    names = list(PROBLEMS) if arguments.only is None else [arguments.only]
    status = 0
    if not arguments.stored:
        upslope.configure(arguments.repeats, populations=True)
        for name in names:
            report = Report(f"ladder_{name}", arguments)
            climb(name, arguments, report)
            status |= report.finish()
    if arguments.figure is not None:
        from ladder_figure import ladder_figure

        files = [arguments.results / f"ladder_{name}.json" for name in names]
        stored = [json.loads(file.read_text())["runs"] for file in files if file.is_file()]
        if not stored:
            parser.error(f"no stored result in {arguments.results}: run without --stored first")
        ladder_figure(stored).savefig(arguments.figure, dpi=100)
        print(f"written: {arguments.figure}")
    return status


def climb(name: str, arguments, report: Report) -> None:
    """All rungs of one problem, and what is claimed of them."""
    from ladder_problems import PROBLEMS, chance, optimum

    problem = PROBLEMS[name]
    environment = problem.make()
    best = optimum(environment, problem.gamma)
    nothing = chance(environment, problem.gamma, best)
    report.runs = {
        "title": problem.title,
        "gamma": problem.gamma,
        "optimum": best,
        "chance": nothing,
        "rungs": [],
    }
    report.noted(f"{name}: J of the optimum", best)
    report.noted(f"{name}: regret of acting by chance", nothing)
    near = {}
    for rung in problem.rungs:
        began = time.process_time()
        steps, regret = curve(rung, environment, problem.gamma, best, arguments)
        mean = regret.mean(axis=1)
        report.runs["rungs"].append(
            {
                "family": rung.family,
                "method": rung.method,
                "settings": rung.settings,
                "steps": steps.tolist(),
                "regret": regret.tolist(),
                "simulated": rung.simulated,
                "cpu_seconds": round(time.process_time() - began, 1),
            }
        )
        near[rung.family] = reached(steps, mean, nothing / 4)
        report.measured(f"{name}, {rung.method}: regret at the end", regret[-1].tolist(), "")
        report.noted(f"{name}, {rung.method}: CPU seconds", time.process_time() - began)
        there = near[rung.family]
        report.noted(
            f"{name}, {rung.method}: steps to a quarter of chance",
            there if np.isfinite(there) else "not within its budget",
        )
    planned = near["fitted model, planning"]
    for family in ("gradient-free", "policy gradient", "Q-learning"):
        if family in near:
            report.at_most(
                f"{name}: steps to a quarter of chance, planning in a fitted model over {family} "
                f"(0: {family} did not come there)",
                planned / near[family] if np.isfinite(planned) else 1e9,
                0.5,
            )


def reached(steps: np.ndarray, mean: np.ndarray, bar: float) -> float:
    """The first look from which on the mean regret stays below a bar; infinite for none."""
    above = np.flatnonzero(mean > bar)
    first = 0 if len(above) == 0 else above[-1] + 1
    return float(steps[first]) if first < len(steps) else float("inf")


def curve(rung, environment, gamma: float, best: float, arguments) -> tuple[np.ndarray, np.ndarray]:
    """Mean steps [K] and exact regrets [K, S] of a method's solutions on the way."""
    from ladder_problems import regrets

    from upslope.engine.history import History
    from upslope.training.build import build
    from upslope.training.config import resolve
    from upslope.training.given_environment import named
    from upslope.training.programs import make_program

    total = min(rung.steps, 2000) if arguments.quick else rung.steps
    settings = {"total_timesteps": total, "seeds": arguments.repeats, "gamma": gamma}
    name, own = named(environment, environment, {})
    config = resolve(name, rung.method, settings | rung.settings, environment_settings=own)
    program = make_program(config, build(config, environment))
    program.compile(1)
    carry, history = program.start(), History()
    steps = np.zeros(arguments.repeats, np.int64)
    looked: list[float] = []
    found: list[np.ndarray] = []
    for target in np.unique(np.geomspace(FIRST, total, LOOKS).astype(int)):
        taken = steps + program.pending_steps(carry)
        if looked and np.all(taken >= target):
            continue
        while np.any(taken < target):
            carry, records = program.advance(carry, target - taken, 1 << 16)
            if records is not None:
                steps = history.add(records, steps)
            taken = steps + program.pending_steps(carry)
        looked.append(float(taken.mean()))
        found.append(regrets(program.solutions(carry), environment, gamma, best))
    program.close()
    return np.array(looked), np.array(found)


if __name__ == "__main__":
    sys.exit(main())
