"""What it costs to start: import time over JAX's, the time of `--help`, the peak memory of a run.

Fresh processes, one after another in turn, from a warm file cache.
"""

import sys
import tempfile

import options
import upslope_train
import whole_process
from claims import Report

IMPORTS = {
    "import jax": "import jax",
    "import upslope": "import upslope",
    "import upslope, its facade used": "import upslope; upslope.train",
}


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=10))
    report = Report("startup", arguments)
    commands = {name: [sys.executable, "-c", code] for name, code in IMPORTS.items()}
    commands["nothing"] = [sys.executable, "-c", "pass"]
    commands["upslope --help"] = [arguments.upslope, "--help"]
    commands["upslope train --help"] = [arguments.upslope, "train", "--help"]
    for command in commands.values():  # into the file cache
        whole_process.run(command)
    report.runs = {name: [] for name in commands}
    for _ in range(arguments.repeats):
        for name, command in commands.items():
            report.runs[name].append(whole_process.run(command).row())
    medians = {
        name: report.measured(name, [row["process_wall_seconds"] for row in rows])
        for name, rows in report.runs.items()
    }
    for name in list(IMPORTS)[1:]:
        over = medians[name] - medians["import jax"]
        report.at_most(f"{name}: seconds over import jax", over, 0.5)

    settings = {"total_timesteps": 8192, "evaluations": 1} if arguments.quick else None
    for seeds in (1,) if arguments.quick else (1, 4, 16):
        with tempfile.TemporaryDirectory() as cache:
            for kind in ("cold", "warm"):  # compiling takes more memory than running
                record = upslope_train.train(
                    arguments.upslope,
                    "CartPole-v1",
                    seeds=seeds,
                    seed=0,
                    cache=cache,
                    settings=settings,
                )
                report.runs[f"CartPole-v1, {seeds} seeds, {kind}"] = [record]
                peak = record["process_peak_memory_mb"]
                claim = f"peak memory of CartPole-v1 with {seeds} seeds, {kind}, MB"
                report.at_most(claim, peak, 700.0)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
