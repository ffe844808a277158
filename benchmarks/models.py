"""What it takes to fit a model to a whole data set: an ensemble of five to 100,000 transitions,
least squares and counts to a million.
"""

import sys
from pathlib import Path

import options
import whole_process
from claims import Report

SCRIPT = Path(__file__).with_name("models_process.py")
MOST_SECONDS = {"ensemble": 60.0, "linear": 30.0, "tabular": 10.0}
MOST_MEMORY_MB = {"ensemble": 1000.0, "linear": 1500.0, "tabular": 1500.0}
LARGEST_ERROR = 0.05  # of one step of the pendulum, in standard deviations of its change


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=3))
    report = Report("models", arguments)
    rows = {"ensemble": 100_000, "linear": 1_000_000, "tabular": 1_000_000}
    for kind, full in rows.items():
        n_rows = 2000 if arguments.quick else full
        command = [sys.executable, str(SCRIPT), kind, str(n_rows)]
        runs = [whole_process.run(command) for _ in range(arguments.repeats)]
        found = [run.json() for run in runs]
        report.runs[kind] = [row | run.row() for row, run in zip(found, runs, strict=True)]
        name = f"{kind}, {n_rows:,} transitions"
        seconds = report.measured(f"fit, {name}", [row["fit_seconds"] for row in found])
        memory = max(run.peak_memory_mb for run in runs)
        report.at_most(f"fit, {name}, seconds", seconds, MOST_SECONDS[kind])
        report.at_most(f"peak memory of the process, {name}, MB", memory, MOST_MEMORY_MB[kind])
        if kind == "ensemble":
            worst = max(row["model_error"] for row in found)
            report.at_most("error of one step on held-out rows", worst, LARGEST_ERROR)
            report.noted("passes", found[0]["passes"])
            report.noted("expected calibration error", found[0]["calibration_error"])
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
