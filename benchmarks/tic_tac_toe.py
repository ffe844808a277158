"""PPO and REINFORCE learn masked moves: tic-tac-toe against random moves, with their presets.

Four seeds each, judged by 2,000 games of every seed's solution (standard error below 0.011) beside
what the exact best response to random moves earns when the side is drawn: 0.9598.
"""

import sys

import options
from claims import Report

GAPS = {"ppo": 0.05, "reinforce": 0.12}  # below the best response: of the mean; twice for a seed


def main() -> int:
    """Measures and reports."""
    import upslope
    from upslope.environments import TicTacToe
    from upslope.environments.games.game_tree import (
        best_response_value,
        game_tree,
        uniform_moves,
    )

    arguments = options.parse(options.parser(__doc__, repeats=4))
    report = Report("tic_tac_toe", arguments)
    upslope.configure(arguments.repeats)
    levels = game_tree(TicTacToe())
    best = best_response_value(levels, uniform_moves(levels))  # the side drawn
    report.noted("best response to random moves", best)
    settings = {"total_timesteps": 4000, "final_episodes": 50} if arguments.quick else {}
    for method, gap in GAPS.items():
        run = upslope.train(
            "tic-tac-toe",
            method,
            seeds=arguments.repeats,
            evaluations=1,
            **{"final_episodes": 2000, **settings},
        )
        returns = run.summary.final.returns.mean(axis=1)
        report.measured(f"{method}, mean return per seed", returns.tolist(), "return")
        report.at_least(f"{method}: mean return of the seeds", float(returns.mean()), best - gap)
        report.at_least(f"{method}: the worst seed", float(returns.min()), best - 2 * gap)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
