"""`agent.predict` against Stable-Baselines3's: one observation and a batch, deterministic and not.

Networks of 64x64, untrained: the time does not depend on the weights. Both wait in processes of
their own and take turns. Torch has one thread, which is its fastest here.
"""

import sys

import options
from claims import Report
from on_request import PEERS, OnRequest, in_turns

CASES = (("discrete", 0), ("box", 0), ("discrete", 32))
BAR = 0.4


def main() -> int:
    """Measures and reports."""
    arguments = options.parse(options.parser(__doc__, repeats=7, peers=("sb3",)))
    report = Report("predict", arguments)
    calls = 50 if arguments.quick else 5000
    for actions, batch in CASES:
        for stochastic in (False, True):
            flags = ["--actions", actions, "--batch", str(batch), "--calls", str(calls)]
            flags += ["--stochastic"] if stochastic else []
            how = "stochastic" if stochastic else "deterministic"
            label = f"{actions}, {batch or 1} observation(s), {how}"
            ratio = duel(report, arguments, label, flags)
            if batch:
                report.noted(f"{label}: latency over SB3's", ratio)
            else:
                report.at_most(f"{label}: latency over SB3's", ratio, BAR)
    return report.finish()


def duel(report, arguments, label, flags) -> float:
    """Both in turn; the ratio of their median latencies."""
    programs = {
        "upslope": OnRequest([sys.executable, str(PEERS / "upslope_predict.py"), *flags]),
        "sb3": OnRequest([arguments.sb3_python, str(PEERS / "sb3_predict.py"), *flags]),
    }
    in_turns(programs, arguments.repeats)
    medians = {}
    for name, program in programs.items():
        program.close()
        report.runs[f"{label}: {name}"] = {"ready": program.ready, "runs": program.runs}
        latencies = [1e6 * run["seconds"] / run["steps"] for run in program.runs]
        medians[name] = report.measured(f"{label}: {name}", latencies, "us")
    return medians["upslope"] / medians["sb3"]


if __name__ == "__main__":
    sys.exit(main())
