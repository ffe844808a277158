"""Populations against evosax: networks on CartPole-v1, and CMA-ES on functions.

CartPole: OpenAI-ES, MLP 64x64, 128 candidates x 4 episodes of 500 steps, observations normalised as
the peer does by default; whole generations. Functions: CMA-ES, generations per second of a search
as long as it takes to converge; evosax's in one compiled scan, upslope's in the program that
`minimize` compiles (whole calls are noted, too).
"""

import sys
import tempfile

import options
from claims import Report
from on_request import PEERS, OnRequest, in_turns

# Function, D, generations: about as many as take the peer to 1e-8.
SEARCHES = (
    ("sphere", 5, 95),
    ("sphere", 20, 232),
    ("sphere", 40, 352),
    ("rosenbrock", 5, 194),
    ("rosenbrock", 20, 1200),
    ("rosenbrock", 40, 3200),
)


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=7, peers=("evosax",))
    parser.add_argument("--only", choices=["cartpole", "functions"])
    arguments = options.parse(parser)
    report = Report("populations", arguments)
    if arguments.only != "functions":
        generations = ["--generations", "2" if arguments.quick else "20"]
        for flags, name in ((["--plain"], "as they are"), ([], "normalised")):
            ratio = duel(
                report, arguments, f"CartPole-v1, observations {name}",
                "upslope_population_cartpole.py", "evosax_cartpole.py", [*generations, *flags],
                "steps/s",
            )  # fmt: skip
            if flags:
                report.noted("steps per second over evosax's, observations as they are", ratio)
            else:
                report.at_least("steps per second over evosax's, its defaults", ratio, 2.0)
    if arguments.only != "cartpole":
        for function, dimension, generations in SEARCHES[: 1 if arguments.quick else None]:
            population = {5: 8, 20: 12, 40: 15}[dimension]
            flags = [
                "--function", function, "--dimension", str(dimension),
                "--population", str(population), "--generations", str(generations),
                "--searches", str(max(2, 20_000 // generations)),
            ]  # fmt: skip
            label = f"CMA-ES, {function}, D = {dimension}"
            ratio = duel(
                report, arguments, label, "upslope_cma.py", "evosax_cma.py", flags,
                "generations/s",
            )  # fmt: skip
            report.at_least(f"{label}: generations per second over evosax's", ratio, 1.0)
            ratio = duel(
                report, arguments, f"{label}, whole calls of minimize", "upslope_cma.py",
                "evosax_cma.py", flags, "generations/s", ["--whole"],
            )  # fmt: skip
            report.noted(f"{label}: whole calls of minimize over evosax's compiled scan", ratio)
    return report.finish()


def duel(report, arguments, label, ours, theirs, flags, unit, own_flags=()) -> float:
    """Both programs in turn; the ratio of their medians."""
    with tempfile.TemporaryDirectory() as cache:
        nothing_cached = {"JAX_COMPILATION_CACHE_DIR": cache}
        programs = {
            "upslope": OnRequest(
                [sys.executable, str(PEERS / ours), *flags, *own_flags], nothing_cached
            ),
            "evosax": OnRequest(
                [arguments.evosax_python, str(PEERS / theirs), *flags], nothing_cached
            ),
        }
        in_turns(programs, arguments.repeats)
        for program in programs.values():
            program.close()
    medians = {}
    for name, program in programs.items():
        report.runs[f"{label}: {name}"] = {"ready": program.ready, "runs": program.runs}
        speeds = [run["steps_per_second"] for run in program.runs]
        medians[name] = report.measured(f"{label}: {name}", speeds, unit)
        report.noted(f"{label}: {name}, compile, s", program.ready["compile_seconds"])
    return medians["upslope"] / medians["evosax"]


if __name__ == "__main__":
    sys.exit(main())
