"""Dyna-Q with 50 planning steps on the book's maze, beside a plain NumPy loop: steps per second.

One run, and thirty at once, against the same algorithm written as a Python loop with NumPy tables.
Every program is compiled once, waits, and runs when it is its turn. Steps are steps of the maze;
each has 50 simulated ones behind it.
"""

import sys
from statistics import median

import options
from claims import Report
from on_request import PEERS, OnRequest, in_turns

BARS = {"one run": 25.0, "30 runs": 60.0}


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=5))
    report = Report("dyna_q", arguments)
    shrink = 20 if arguments.quick else 1
    own = [sys.executable, str(PEERS / "upslope_dyna_q.py")]
    steps = {"one run": 1_000_000 // shrink, "30 runs": 100_000 // shrink}
    programs = {
        "one run": OnRequest([*own, "--timesteps", str(steps["one run"])]),
        "30 runs": OnRequest([*own, "--timesteps", str(steps["30 runs"]), "--seeds", "30"]),
        "numpy": OnRequest(
            [sys.executable, str(PEERS / "numpy_dyna_q.py"), "--timesteps", str(60_000 // shrink)]
        ),
    }
    in_turns(programs, arguments.repeats)
    speeds, per_core = {}, {}
    for name, program in programs.items():
        program.close()
        report.runs[name] = {"ready": program.ready, "runs": program.runs}
        each = [run["steps_per_second"] for run in program.runs]
        speeds[name] = report.measured(f"dyna-q: {name}", each, "steps/s")
        per_core[name] = median(run["steps"] / run["cpu_seconds"] for run in program.runs)
    for name, bar in BARS.items():
        report.noted(f"{name}: steps per core second", per_core[name] / per_core["numpy"])
        report.at_least(f"{name} over a NumPy loop", speeds[name] / speeds["numpy"], bar)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
