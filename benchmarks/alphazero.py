"""AlphaZero with its presets: tic-tac-toe proved, connect four against tree search and a solver.

Tic-tac-toe: ten seeds, and every reply to each of their players is tried, on both sides: no
statistics. Connect four: one seed, the CPU time of its training, 100 games on each side against
MCTS with 1,000 random rollouts a move, and how often its moves give the value of a solved position
away, before and after training.
"""

import resource
import sys
import tempfile
from pathlib import Path

import options
from claims import Report

BUDGET = 2 * 15 * 60  # CPU seconds: fifteen minutes on two cores


def main() -> int:
    """Measures and reports."""
    import upslope

    parser = options.parser(__doc__, repeats=10)
    parser.add_argument("--only", choices=["tic-tac-toe", "connect-four"])
    arguments = options.parse(parser)
    report = Report("alphazero", arguments)
    upslope.configure(1)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.only != "connect-four":
            tic_tac_toe(report, arguments, Path(folder) / "tic-tac-toe")
        if arguments.only != "tic-tac-toe":
            connect_four(report, arguments, Path(folder) / "connect-four")
    return report.finish()


def tic_tac_toe(report, arguments, out: Path) -> None:
    """How many seeds never lose."""
    import upslope
    from upslope.environments import TicTacToe
    from upslope.exact import never_loses

    settings = {"total_timesteps": 4000} if arguments.quick else {}
    began = cpu_seconds()
    upslope.train(
        "tic-tac-toe", "alphazero", seeds=arguments.repeats, out=out, evaluations=1, **settings
    )
    report.noted("tic-tac-toe: CPU seconds per seed", (cpu_seconds() - began) / arguments.repeats)
    proofs = [
        never_loses(TicTacToe(), upslope.load(out, seed=seed).policy)
        for seed in range(arguments.repeats)
    ]
    report.noted("tic-tac-toe: lost games", [proof.lost for proof in proofs])
    held = sum(map(bool, proofs))
    report.at_least("tic-tac-toe: seeds that never lose, proved", held, arguments.repeats)


def connect_four(report, arguments, out: Path) -> None:
    """Won games against MCTS-1000, and the error rate on solved positions."""
    import upslope
    from upslope.environments import ConnectFour
    from upslope.exact import error_rate, solved_positions
    from upslope.training.match import play_match, wilson
    from upslope.training.named_actor import named_actor

    few = arguments.quick
    settings = {"total_timesteps": 30_000} if few else {}
    common = {"seeds": 1, "evaluations": 1, "final_episodes": 20}
    upslope.train(
        "connect-four",
        "alphazero",
        out=out.with_name("untrained"),
        **{**common, "total_timesteps": 2048},
    )
    began = cpu_seconds()
    upslope.train("connect-four", "alphazero", out=out, **common, **settings)
    seconds = cpu_seconds() - began
    report.at_most("connect four: CPU seconds of training", seconds, BUDGET)
    positions = solved_positions(20 if few else 300)
    players = {name: upslope.load(out.with_name(name)).policy for name in ("untrained", out.name)}
    errors = {name: error_rate(player, positions) for name, player in players.items()}
    report.noted("connect four: error rate untrained", errors["untrained"])
    report.noted("connect four: error rate trained", errors[out.name])
    report.at_most(
        "connect four: error rate, trained over untrained",
        errors[out.name] / errors["untrained"],
        0.7,
    )
    game = ConnectFour()
    rollouts, games = ("mcts-50", 4) if few else ("mcts-1000", 100)
    opponent = named_actor(game, rollouts, what="opponent")
    match = play_match(game, players[out.name], opponent, games, seed=0)
    for side in ("first", "second"):
        shares = match.shares(side)
        report.noted(f"connect four: as {side} player", {k: list(v) for k, v in shares.items()})
    won = wilson(int((match.returns > 0).sum()), match.returns.size)
    report.noted("connect four: won, Wilson's 95 % interval", [won.low, won.high])
    report.at_least(f"connect four: won against {rollouts}", won.share, 0.75)


def cpu_seconds() -> float:
    """Of this process, all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
