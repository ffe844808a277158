"""PPO on CartPole-v1, steady environment steps per second, with the peers' own settings.

One seed against PureJaxRL, 16 seeds against rejax. Every program is compiled once, waits, and runs
when it is its turn; a run is a whole search from a fresh policy.
"""

import sys
import tempfile
from statistics import median

import options
from claims import Report
from on_request import PEERS, OnRequest, in_turns


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=7, peers=("rejax", "purejaxrl"))
    parser.add_argument("--only", choices=["purejaxrl", "rejax"])
    arguments = options.parse(parser)
    report = Report("ppo_throughput", arguments)
    shrink = 10 if arguments.quick else 1
    rejax_python = arguments.rejax_python
    source = ["--source", arguments.purejaxrl_source]
    duels = {  # peer: seeds, steps per seed, flags of the peer, bar
        "purejaxrl": (1, 500_000 // shrink, source, 1.5),
        "rejax": (16, 100_000 // shrink, ["--seeds", "16"], 2.0),
    }
    for peer, (seeds, timesteps, flags, bar) in duels.items():
        if arguments.only not in (None, peer):
            continue
        print(f"{peer}: {seeds} seeds x {timesteps} steps", flush=True)
        own = [sys.executable, str(PEERS / "upslope_ppo_cartpole.py"), "--settings-of", peer]
        theirs = [rejax_python, str(PEERS / f"{peer}_ppo_cartpole.py"), *flags]
        steps = ["--timesteps", str(timesteps)]
        with tempfile.TemporaryDirectory() as cache:
            nothing_cached = {"JAX_COMPILATION_CACHE_DIR": cache}
            programs = {
                "upslope": OnRequest([*own, "--seeds", str(seeds), *steps], nothing_cached),
                peer: OnRequest([*theirs, *steps], nothing_cached),
            }
            in_turns(programs, arguments.repeats)
            for program in programs.values():
                program.close()
        medians = {}
        for name, program in programs.items():
            label = f"{name}, settings of {peer}, {seeds} seeds"
            report.runs[label] = {"ready": program.ready, "runs": program.runs}
            speeds = [run["steps_per_second"] for run in program.runs]
            medians[name] = report.measured(label, speeds, "steps/s")
            compile_seconds = program.ready["compile_seconds"]
            trace_seconds = program.ready.get("trace_seconds", 0.0)
            report.noted(f"{label}: trace and compile, s", compile_seconds + trace_seconds)
        per_core = {
            name: median(run["steps"] / run["cpu_seconds"] for run in program.runs)
            for name, program in programs.items()
        }
        ratio = per_core["upslope"] / per_core[peer]
        report.noted(f"steps per core second over {peer}'s, {seeds} seeds", ratio)
        ratio = medians["upslope"] / medians[peer]
        report.at_least(f"steps per second over {peer}'s, {seeds} seeds", ratio, bar)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
