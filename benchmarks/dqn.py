"""DQN and its replay buffer, steady environment steps per second, with the peers' own settings.

One seed against Stable-Baselines3 with rl-zoo's settings, one and 16 seeds against rejax with its
shipped ones; adding a step and drawing a batch of 64 against flashbax. Every program is compiled
once, waits, and runs when it is its turn.
"""

import sys
import tempfile
from statistics import median

import options
from claims import Report
from on_request import PEERS, OnRequest, in_turns


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=5, peers=("sb3", "rejax"))
    parser.add_argument("--only", choices=["sb3", "rejax", "rejax-16", "flashbax"])
    arguments = options.parse(parser)
    report = Report("dqn", arguments)
    shrink = 10 if arguments.quick else 1
    own = [sys.executable, str(PEERS / "upslope_dqn_cartpole.py")]
    steps = ["--timesteps", str(50_000 // shrink)]
    many = ["--timesteps", str(50_000 // shrink), "--seeds", "16"]
    sb3 = [arguments.sb3_python, str(PEERS / "sb3_dqn_cartpole.py")]
    rejax = [arguments.rejax_python, str(PEERS / "rejax_dqn_cartpole.py")]
    ring = [sys.executable, str(PEERS / "upslope_ring.py")]
    flashbax = [arguments.rejax_python, str(PEERS / "flashbax_ring.py")]
    duels = {  # name: our command, the peer's, the bar, what is counted
        "sb3": ([*own, "--settings-of", "sb3", *steps], [*sb3, *steps], 10.0),
        "rejax": ([*own, "--settings-of", "rejax", *steps], [*rejax, *steps], 1.5),
        "rejax-16": ([*own, "--settings-of", "rejax", *many], [*rejax, *many], 2.0),
        "flashbax": (ring, flashbax, 1.0),
    }
    for name, (ours, theirs, bar) in duels.items():
        if arguments.only not in (None, name):
            continue
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as cache:
            nothing_cached = {"JAX_COMPILATION_CACHE_DIR": cache}
            programs = {
                "upslope": OnRequest(ours, nothing_cached),
                "peer": OnRequest(theirs, nothing_cached),
            }
            in_turns(programs, arguments.repeats)
            for program in programs.values():
                program.close()
        speeds = {}
        for who, program in programs.items():
            label = f"{name}: {program.ready['library']}"
            report.runs[label] = {"ready": program.ready, "runs": program.runs}
            each = [run["steps_per_second"] for run in program.runs]
            speeds[who] = report.measured(label, each, "steps/s")
        per_core = {
            who: median(run["steps"] / run["cpu_seconds"] for run in program.runs)
            for who, program in programs.items()
        }
        report.noted(f"{name}: steps per core second", per_core["upslope"] / per_core["peer"])
        ratio = speeds["upslope"] / speeds["peer"]
        report.at_least(f"steps per second, {name}", ratio, bar)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
