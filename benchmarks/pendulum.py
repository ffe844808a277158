"""Pendulum-v1 from a cold process to a solved evaluation: `upslope train` against SB3's PPO.

As `cartpole_cold_start.py`: one seed, the whole preset and 100 held-out episodes for upslope; SB3
with rl-zoo's settings stops at the third evaluation in a row at the threshold.
"""

import sys
import tempfile

import options
import sb3_process
import upslope_train
from claims import Report

SOLVED = -200.0
QUICK = {"total_timesteps": 8192, "evaluations": 1, "final_episodes": 20}


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=3, peers=("sb3",))
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = options.parse(parser)
    report = Report("pendulum", arguments)
    own: dict[str, list] = {"upslope_cold": [], "upslope_warm": []}
    peers: list[dict] = []
    for number in range(arguments.repeats):
        seed = arguments.first_seed + number
        with tempfile.TemporaryDirectory() as cache:
            for kind, records in own.items():
                record = upslope_train.train(
                    arguments.upslope,
                    "Pendulum-v1",
                    seeds=1,
                    seed=seed,
                    cache=cache,
                    settings=QUICK if arguments.quick else None,
                )
                records.append(record)
                wall, result = record["process_wall_seconds"], record["held_out_return"]
                print(f"  {kind} seed {seed}: {wall:.1f} s, held out {result}", flush=True)
        script = "sb3_ppo_pendulum.py"
        record = sb3_process.until_solved(arguments.sb3_python, script, seed=seed, threads=1)
        peers.append(record)
        wall = record["process_wall_seconds"]
        print(f"  sb3 seed {seed}: {wall:.1f} s, solved: {record['solved']}", flush=True)
    report.runs = {**own, "sb3": peers}
    wall = {
        kind: report.measured(kind, [r["process_wall_seconds"] for r in records])
        for kind, records in report.runs.items()
    }
    report.noted("sb3_runs_solved", sum(r["solved"] for r in peers))
    held_out = [r["held_out_return"] for records in own.values() for r in records]
    report.measured("held-out return of upslope", held_out, "return")
    good = sum(value >= SOLVED for value in held_out)
    report.at_least(f"upslope runs at {SOLVED:g}, of {len(held_out)}", good, len(held_out))
    for kind in own:
        report.at_least(f"wall time of SB3 over {kind}", wall["sb3"] / wall[kind], 1.0)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
