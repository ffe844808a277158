"""CartPole-v1 from a cold process to a solved evaluation: `upslope train` against SB3's PPO.

Each round starts the contestants one after another: upslope with an empty compilation cache,
upslope with the cache that this filled, SB3 with one and with two torch threads (the faster one
counts). Upslope runs its whole preset and evaluates its solution over 100 held-out episodes; SB3
stops as soon as it is solved (see `peers/sb3_until_solved.py`).
"""

import sys
import tempfile

import options
import sb3_process
import upslope_train
from claims import Report

SOLVED = 475.0
QUICK = {"total_timesteps": 8192, "evaluations": 1, "final_episodes": 20}


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=5, peers=("sb3",))
    parser.add_argument(
        "--sixteen",
        action="store_true",
        help="16 seeds of upslope in one command against 16 runs of SB3, one after another",
    )
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = options.parse(parser)
    seeds = 16 if arguments.sixteen else 1
    name = "cartpole_sixteen" if arguments.sixteen else "cartpole_cold_start"
    report = Report(name, arguments)
    report.runs = {"upslope_cold": [], "upslope_warm": [], "sb3_1_thread": [], "sb3_2_threads": []}

    def note(kind: str, record: dict) -> None:
        report.runs[kind].append(record)
        print(
            f"  {kind} seed {record['seed']}: {record['process_wall_seconds']:.2f} s, "
            f"held out {record['held_out_return']} "
            f"(others on {record['other_cores']} cores)",
            flush=True,
        )

    for number in range(arguments.repeats):
        seed = arguments.first_seed + number
        with tempfile.TemporaryDirectory() as cache:
            for kind in ("upslope_cold", "upslope_warm"):
                record = upslope_train.train(
                    arguments.upslope,
                    "CartPole-v1",
                    seeds=seeds,
                    seed=seed,
                    cache=cache,
                    settings=QUICK if arguments.quick else None,
                )
                note(kind, record)
        for threads, kind in ((1, "sb3_1_thread"), (2, "sb3_2_threads")):
            if threads == 1 or not arguments.quick:
                script = "sb3_ppo_cartpole.py"
                python = arguments.sb3_python
                note(kind, sb3_process.until_solved(python, script, seed=seed, threads=threads))

    report.runs = {kind: records for kind, records in report.runs.items() if records}
    wall = {
        kind: report.measured(kind, [r["process_wall_seconds"] for r in records])
        for kind, records in report.runs.items()
    }
    peers = [kind for kind in wall if kind.startswith("sb3")]
    faster = min(peers, key=wall.__getitem__)
    report.noted("faster_peer", faster)
    report.noted("sb3_runs_solved", sum(r["solved"] for kind in peers for r in report.runs[kind]))
    strict = report.measured(
        "sb3_without_its_evaluations",
        [r["process_wall_seconds_without_evaluation"] for r in report.runs[faster]],
    )
    own = [r for kind in ("upslope_cold", "upslope_warm") for r in report.runs[kind]]
    worst = min(value for record in own for value in record["held_out_returns"])
    each = f"{seeds} x SB3" if arguments.sixteen else "SB3"
    report.at_least("worst held-out mean of upslope's seeds", worst, SOLVED)
    bars = {"upslope_cold": 8.0, "upslope_warm": 8.0} if arguments.sixteen else None
    for kind, bar in (bars or {"upslope_cold": 1.0, "upslope_warm": 2.0}).items():
        ratio = seeds * wall[faster] / wall[kind]
        report.at_least(f"wall time of {each} over {kind}", ratio, bar)
        report.noted(f"ratio without SB3's evaluations, {kind}", seeds * strict / wall[kind])
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
