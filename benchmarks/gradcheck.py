"""What a gradient check costs: all estimators on the short corridor, 10^5 episodes each, in seconds
of a whole process, with an empty compilation cache and with the one that the first run filled.
"""

import json
import sys
import tempfile
from pathlib import Path

import options
import whole_process
from claims import Report

MOST_SECONDS = 60.0


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=3))
    report = Report("gradcheck", arguments)
    episodes = 1000 if arguments.quick else 100_000
    report.runs = {"cold": [], "warm": []}
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "check.json"
            words = ["gradcheck", "short-corridor", "--episodes", str(episodes)]
            for kind in report.runs:
                done = whole_process.run(
                    [arguments.upslope, *words, "--json", str(path)],
                    environment={"JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "cache")},
                )
                found = json.loads(path.read_text())
                row = {"estimators": len(found["rows"]), "left_out": len(found["left_out"])}
                report.runs[kind].append(done.row() | row)
    medians = {
        kind: report.measured(f"whole process, {kind}", [r["process_wall_seconds"] for r in rows])
        for kind, rows in report.runs.items()
    }
    first = report.runs["cold"][0]
    report.noted("estimators", first["estimators"])
    report.noted("estimators left out", first["left_out"])
    report.measured(
        "processor time, cold", [row["process_cpu_seconds"] for row in report.runs["cold"]]
    )
    report.measured(
        "peak memory, cold", [row["process_peak_memory_mb"] for row in report.runs["cold"]], "MB"
    )
    report.at_most(
        f"all estimators on the short corridor, {episodes:,} episodes each, seconds with an empty "
        "compilation cache",
        medians["cold"],
        MOST_SECONDS,
    )
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
