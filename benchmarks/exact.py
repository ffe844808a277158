"""What exact values and gradients cost, beside the linear algebra that they cannot do without: one
`numpy.linalg.solve` for 1,000 states, 400 sparse matrix-vector products for 100,000.
"""

import sys
from pathlib import Path

import options
import whole_process
from claims import Report

SCRIPT = Path(__file__).with_name("exact_process.py")
MOST_SOLVES = 3.0
MOST_PRODUCTS = 5.0
MOST_MEMORY_MB = 2000.0
LARGEST_ERROR = 1e-7


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=7))
    report = Report("exact", arguments)
    sizes = (100, 1000) if arguments.quick else (1000, 100_000)
    bars = {"dense": MOST_SOLVES, "sparse": MOST_PRODUCTS}
    peers = {"dense": "one numpy.linalg.solve", "sparse": "400 products of SciPy's CSR matrix"}
    for (kind, bar), size in zip(bars.items(), sizes, strict=True):
        command = [sys.executable, str(SCRIPT), kind, str(arguments.repeats), str(size)]
        done = whole_process.run(command)
        found = done.json()
        report.runs[kind] = found | done.row()
        ours = report.measured(f"J and grad J, {size:,} states", found["ours"])
        theirs = report.measured(f"{peers[kind]}, {size:,} states", found["theirs"])
        report.noted(f"first call with compilation, {size:,} states, seconds", found["first_call"])
        report.noted(f"peak memory of the process, {size:,} states, MB", done.peak_memory_mb)
        report.at_most(f"J and grad J, {size:,} states, over {peers[kind]}", ours / theirs, bar)
        report.at_most(f"error of J, {size:,} states", found["error"], LARGEST_ERROR)
    report.noted("certified error of V, sparse", report.runs["sparse"]["certified"])
    report.at_most(
        f"peak memory of the process, {sizes[1]:,} states, MB", done.peak_memory_mb, MOST_MEMORY_MB
    )
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
