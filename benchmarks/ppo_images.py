"""PPO on 84 x 84 x 4 images of uint8: steady steps per second beside Stable-Baselines3's CnnPolicy.

Both have the Nature network and the same settings; the environment costs next to nothing in
either. Each is compiled (or warmed up) once, waits, and runs when it is its turn.
"""

import sys

import options
from claims import Report
from on_request import PEERS, OnRequest, in_turns


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=5, peers=("sb3",))
    arguments = options.parse(parser)
    report = Report("ppo_images", arguments)
    flags = ["--timesteps", "4096"]
    if arguments.quick:
        flags = ["--timesteps", "32", "--n-envs", "2", "--n-steps", "8", "--batch-size", "8"]
    own = [sys.executable, str(PEERS / "upslope_ppo_images.py"), *flags]
    sb3 = [arguments.sb3_python, str(PEERS / "sb3_ppo_images.py"), *flags]
    programs = {
        "upslope": OnRequest(own),
        "sb3": OnRequest([*sb3, "--threads", "2"]),
        "sb3, one torch thread": OnRequest([*sb3, "--threads", "1"]),
    }
    in_turns(programs, arguments.repeats)
    medians = {}
    for name, program in programs.items():
        program.close()
        report.runs[name] = {"ready": program.ready, "runs": program.runs}
        speeds = [run["steps_per_second"] for run in program.runs]
        medians[name] = report.measured(name, speeds, "steps/s")
        report.noted(f"{name}: trace and compile, s", program.ready["compile_seconds"])
        report.noted(f"{name}: peak memory, MB", program.ready["peak_memory_mb"])
    fastest = max(value for name, value in medians.items() if name != "upslope")
    report.at_least("steps per second over SB3's", medians["upslope"] / fastest, 1.2)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
