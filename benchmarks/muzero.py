"""MuZero: CartPole with its preset from a cold process, and tic-tac-toe by proof.

CartPole: one `upslope train`, compiled programs not kept, five seeds side by side; held-out returns
are means of 100 episodes. Tic-tac-toe: ten seeds learn both sides without the rules; then every
reply to each of them is tried, as first and as second player.
"""

import sys
import tempfile
import time
from typing import Any

import options
import upslope_train
from claims import Report

CARTPOLE_SEEDS = 5
# The best of what was tried so far; there is no preset yet.
TIC_TAC_TOE: dict[str, Any] = {
    **{"total_timesteps": 150_000, "gamma": 1.0, "policy": "softmax", "hidden": [128, 128]},
    **{"activation": "relu", "model_hidden": [128], "hidden_size": 128, "support_size": 2},
    **{"n_envs": 32, "gradient_steps": 16, "buffer_size": 40_000, "learning_rate": 1e-3},
    **{"learning_rate_schedule": "linear", "unroll_steps": 3, "n_step": 3, "vf_coef": 1.0},
    **{"prioritized": False, "symmetries": True, "rescale_values": False, "value_scale": 0.2},
}


def main() -> int:
    """Measures and reports."""
    parser = options.parser(__doc__, repeats=10)
    parser.add_argument("--only", choices=["CartPole-v1", "tic-tac-toe"])
    arguments = options.parse(parser)
    report = Report("muzero", arguments)
    if arguments.only in (None, "CartPole-v1"):
        cartpole(report, arguments)
    if arguments.only in (None, "tic-tac-toe"):
        tic_tac_toe(report, arguments)
    return report.finish()


def cartpole(report: Report, arguments: Any) -> None:
    """Five seeds of the preset, as a user runs it."""
    settings = {"final_episodes": 2 if arguments.quick else 100, "evaluations": 1}
    if arguments.quick:
        settings |= {"total_timesteps": 2000}
    with tempfile.TemporaryDirectory() as cache:
        row = upslope_train.train(
            arguments.upslope,
            "CartPole-v1",
            "muzero",
            seeds=CARTPOLE_SEEDS,
            seed=0,
            cache=cache,
            settings=settings,
        )
    report.runs["CartPole-v1"] = row
    returns = row["held_out_returns"]
    report.measured("CartPole-v1: held-out return of a seed", returns, "return")
    report.noted("CartPole-v1: environment steps", row["steps"])
    seconds = row["process_wall_seconds"]
    report.measured("CartPole-v1: whole process, five seeds", [seconds])
    cleared = sum(value >= 475 for value in returns)
    report.at_least("CartPole-v1: seeds of five at 475 or better", cleared, 4)
    report.at_most("CartPole-v1: whole process, seconds", seconds, 600.0)


def tic_tac_toe(report: Report, arguments: Any) -> None:
    """Seeds, each of them tried against every reply."""
    import jax

    import upslope
    from upslope.environments import TicTacToe
    from upslope.exact import never_loses

    upslope.configure(arguments.repeats)
    settings = TIC_TAC_TOE | ({"total_timesteps": 2000} if arguments.quick else {})
    began = time.perf_counter()
    run = upslope.train(
        "tic-tac-toe",
        "muzero",
        seeds=arguments.repeats,
        evaluations=1,
        final_episodes=100,
        **settings,
    )
    report.measured(
        f"tic-tac-toe: training of {arguments.repeats} seeds", [time.perf_counter() - began]
    )
    returns = run.summary.final.returns.mean(axis=1).tolist()
    report.measured("tic-tac-toe: held-out return against random moves", returns, "return")
    proven = 0
    for seed in range(arguments.repeats):
        player = jax.tree.map(lambda leaf: leaf[seed], run.policies)  # noqa: B023
        proof = never_loses(TicTacToe(), player)
        proven += bool(proof)
        if not proof:
            report.noted(f"tic-tac-toe: seed {seed} can be beaten", str(proof.lost))
    report.at_least(
        "tic-tac-toe: seeds proven never to lose, share", proven / arguments.repeats, 1.0
    )


if __name__ == "__main__":
    sys.exit(main())
