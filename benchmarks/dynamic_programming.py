"""Dynamic programming beside quantecon's numba code, to the same guaranteed bound on every value:
value iteration and modified policy iteration on random problems of 4 actions and 10 successors.
Needs `pip install quantecon`.
"""

import sys
from pathlib import Path

import options
import whole_process
from claims import Report

SCRIPT = Path(__file__).with_name("dynamic_programming_process.py")
# How many times quantecon's speed, by method, and seconds of the first call.
SPEEDS = {"value-iteration": 10.0, "modified-policy-iteration": 1.0}
MOST_FIRST_SECONDS = 1.0
MOST_MEMORY_MB = 1000.0
LARGEST_BOUND = 1e-8


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=5))
    report = Report("dynamic_programming", arguments)
    sizes = (100, 1000) if arguments.quick else (10_000, 100_000)
    for method, bar in SPEEDS.items():
        for size in sizes:
            command = [sys.executable, str(SCRIPT), method, str(size), str(arguments.repeats)]
            done = whole_process.run(command)
            found = done.json()
            what = f"{method}, {size:,} states"
            report.runs[what] = found | done.row()
            ours = report.measured(f"upslope, {what}", found["ours"])
            theirs = report.measured(f"quantecon, {what}", found["theirs"])
            report.noted(f"iterations of both, {what}", found["iterations"])
            report.noted(f"largest difference of values, {what}", f"{found['difference']:.2g}")
            report.at_least(f"speed over quantecon's, {what}", theirs / ours, bar)
            report.at_most(f"guaranteed bound in 1e-8, {what}", found["bound"] / LARGEST_BOUND, 1.0)
            report.at_most(
                f"first call with compilation, seconds, {what}",
                found["first_call"],
                MOST_FIRST_SECONDS,
            )
    size = 10_000 if arguments.quick else 1_000_000
    done = whole_process.run([sys.executable, str(SCRIPT), "memory", str(size), "5"])
    found = done.json()
    what = f"{size:,} states, 4 actions, 5 successors"
    report.runs[what] = found | done.row()
    report.noted(f"seconds with compilation, {what}", found["seconds"])
    report.at_most(f"peak memory of the process, {what}, MB", done.peak_memory_mb, MOST_MEMORY_MB)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
