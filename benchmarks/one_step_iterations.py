"""Iterations of one environment step, each with a draw from a replay buffer of some size.

Q-learning with a tiny network takes a step, keeps it, draws a batch of four and updates: what is
measured is what an iteration costs besides its arithmetic. A buffer that is copied costs more the
larger it is. Then a run as users start it, four seeds with a run folder: which share of its wall
time is the search?
"""

import sys

import options
from claims import Report
from on_request import PEERS, OnRequest, in_turns

ENVIRONMENTS = {"compiled": ("CartPole-v1", 100_000), "simulators": ("gymnasium:CartPole-v1", 5000)}
ROWS = (1000, 100_000)


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=5))
    report = Report("one_step_iterations", arguments)
    own = [sys.executable, str(PEERS / "upslope_one_step.py")]
    shrink = 50 if arguments.quick else 1
    for kind, (environment, steps) in ENVIRONMENTS.items():
        programs = {
            f"{kind}, {rows:,} rows": OnRequest(
                [*own, environment, "--rows", str(rows), "--timesteps", str(steps // shrink)]
            )
            for rows in ROWS
        }
        in_turns(programs, arguments.repeats)
        medians = []
        for name, program in programs.items():
            program.close()
            report.runs[name] = {"ready": program.ready, "runs": program.runs}
            cost = [1e6 * run["seconds"] / run["steps"] for run in program.runs]
            medians.append(report.measured(name, cost, "us per iteration"))
        report.at_most(f"{kind}: {ROWS[1]:,} rows over {ROWS[0]:,}", medians[1] / medians[0], 1.2)

    flags = ["CartPole-v1", "--rows", "100000", "--seeds", "4", "--folder"]
    program = OnRequest([*own, *flags, "--timesteps", str(400_000 // shrink)])
    in_turns({"four seeds, run folder": program}, arguments.repeats)
    program.close()
    report.runs["four seeds, run folder"] = {"ready": program.ready, "runs": program.runs}
    shares = [run["search_seconds"] / run["wall_seconds"] for run in program.runs]
    share = report.measured("share of the wall time that is the search", shares, "")
    report.at_least("share of the wall time that is the search", share, 0.6)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
