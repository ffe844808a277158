"""Tree search on connect four, beside open_spiel's C++ and mctx alone.

UCT with random rollouts, 1,000 simulations in each of 256 games at once, against open_spiel's C++
bot (one thread, as many searches one after the other): rollouts per second of wall time. And the
Gumbel search with the same linear evaluator through our planner and through mctx itself.
"""

import sys

import options
from claims import Report
from on_request import PEERS, OnRequest, in_turns


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=7, peers=("spiel",))
    parser.add_argument("--only", choices=["rollouts", "layer"])
    arguments = options.parse(parser)
    report = Report("mcts", arguments)
    few = arguments.quick
    if arguments.only != "layer":
        simulations = ["--simulations", "100" if few else "1000"]
        programs = {
            "upslope": [sys.executable, str(PEERS / "upslope_mcts.py"), *simulations],
            "open_spiel": [
                arguments.spiel_python, str(PEERS / "spiel_mcts.py"), *simulations,
                "--searches", "200" if few else "256",
            ],
        }  # fmt: skip
        ours, theirs = measure(report, arguments, "random rollouts", programs, "rollouts/s")
        report.at_least("rollouts per second over open_spiel's C++", ours / theirs, 2.0)
    if arguments.only != "rollouts":
        layer = [sys.executable, str(PEERS / "mctx_layer.py")]
        searches = ["--searches", "10" if few else "40"]
        programs = {
            "upslope over mctx": [*layer, *searches],
            "mctx alone": [*layer, "--alone", *searches],
        }
        ours, theirs = measure(report, arguments, "Gumbel search", programs, "simulations/s")
        report.at_least("simulations per second over mctx's own", ours / theirs, 0.95)
    return report.finish()


def measure(report, arguments, label, commands, unit) -> list[float]:
    """Both programs in turn; their medians."""
    programs = {name: OnRequest(command) for name, command in commands.items()}
    in_turns(programs, arguments.repeats)
    medians = []
    for name, program in programs.items():
        program.close()
        report.runs[f"{label}: {name}"] = {"ready": program.ready, "runs": program.runs}
        speeds = [run["steps_per_second"] for run in program.runs]
        medians.append(report.measured(f"{label}: {name}", speeds, unit))
        report.noted(f"{label}: {name}, compile, s", program.ready["compile_seconds"])
    return medians


if __name__ == "__main__":
    sys.exit(main())
