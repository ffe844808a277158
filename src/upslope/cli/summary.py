"""How a run ended, in a short table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from upslope.cli.result_table import result_table
from upslope.core.number_text import number, rate, seconds
from upslope.engine.progress import Evaluation, Summary
from upslope.training.printed_command import printed_command
from upslope.training.statistics import bootstrap_interval, interquartile_mean

if TYPE_CHECKING:
    from upslope.training.config import RunConfig
    from upslope.training.match import MatchEvaluation

MAX_ROWS = 16


def print_summary(
    summary: Summary,
    title: str,
    console: Console | None = None,
    *,
    config: RunConfig | None = None,
    resumed: bool = False,
) -> None:
    """The final evaluation of every seed, where the time went, and what to do next.

    Args:
      summary: of the run.
      title: what ran.
      console: where to; standard output.
      config: of the run.
      resumed: whether earlier processes took part of the steps, so that no speed is known.
    """
    console = console or Console(highlight=False, soft_wrap=True)
    if summary.final is not None:
        print_evaluation(summary.final, title, console, summary.best_seen)
    times = summary.times
    taken = float(np.sum(summary.steps))
    known = times.search > 0 and not resumed
    speed = f", {rate(taken / times.search)} per second of search" if known else ""
    console.print(f"steps    {int(taken):,} of all seeds{speed}")
    console.print(
        f"time     {seconds(times.total())}: import {seconds(times.imports)}, "
        f"compile {seconds(times.compile)}, search {seconds(times.search)}, "
        f"evaluation {seconds(times.evaluation)}"
    )
    for note in summary.notes:
        console.print(f"note     {note}", markup=False)
    if summary.folder is not None:
        console.print(f"run      {summary.folder}", markup=False)
        following = printed_command("evaluate", summary.folder, config)
        console.print(f"next     {following}", markup=False)


def print_evaluation(
    evaluation: Evaluation,
    title: str,
    console: Console | None = None,
    best_seen: np.ndarray | None = None,
) -> None:
    """The return of every seed, their interquartile mean and its interval."""
    console = console or Console(highlight=False, soft_wrap=True)
    table = evaluation_table(evaluation, title, best_seen)
    if console.options.ascii_only:
        for column in table.columns:
            column.header = str(column.header).replace("±", "+-")
    console.print(table)
    console.print(f"return   {interval_text(evaluation)}", markup=False)


def evaluation_table(
    evaluation: Evaluation, title: str, best_seen: np.ndarray | None = None
) -> Table:
    """A row for each seed; with many seeds the quartiles.

    Args:
      evaluation: held-out episodes.
      title: above the table.
      best_seen: [S] the best value met while searching, shown beside what the solution is worth.
    """
    returns, lengths = evaluation.returns.mean(axis=1), evaluation.lengths.mean(axis=1)
    spread = evaluation.returns.std(axis=1)
    table = result_table(title)
    seen = ("best seen",) if best_seen is not None else ()
    steps = ("steps",) if evaluation.steps.any() else ()  # what acts untrained has taken none
    for name in ("seed", "return", "± episodes", "worst", *seen, "length", *steps):
        table.add_column(name, justify="right", no_wrap=True)

    def add(name: str, seed: int) -> None:
        table.add_row(
            name,
            number(returns[seed]),
            number(spread[seed]),
            number(evaluation.returns[seed].min()),
            *(() if best_seen is None else (number(best_seen[seed]),)),
            number(lengths[seed]),
            *((f"{int(evaluation.steps[seed]):,}",) if steps else ()),
        )

    if returns.size <= MAX_ROWS:
        for seed in range(returns.size):
            add(str(seed), seed)
    else:
        order = np.argsort(returns)
        shares = {"best": 1.0, "75 %": 0.75, "median": 0.5, "25 %": 0.25, "worst": 0.0}
        for name, share in shares.items():
            seed = int(order[round(share * (returns.size - 1))])
            add(f"{name}: {seed}", seed)
    return table


def print_match(match: MatchEvaluation, title: str, console: Console | None = None) -> None:
    """Won, drawn and lost games as first and as second player, with 95 % intervals."""
    from upslope.training.match import SIDES

    console = console or Console(highlight=False, soft_wrap=True)
    table = result_table(title)
    table.add_column("plays", no_wrap=True)
    for name in ("games", "won", "drawn", "lost", "won, 95 %", "lost, 95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    for side, results in zip(SIDES, match.returns, strict=True):
        shares = match.shares(side)
        table.add_row(
            side,
            f"{results.size:,}",
            *(f"{share.count:,}" for share in shares.values()),
            *(f"{shares[end].low:.1%} to {shares[end].high:.1%}" for end in ("won", "lost")),
        )
    console.print(table)
    means = " and ".join(f"{match.mean(side)[0]:+.3f} as {side}" for side in SIDES)
    console.print(f"result   {means}: a win is +1, a loss -1; Wilson's intervals", markup=False)


def interval_text(evaluation: Evaluation) -> str:
    """`487.2 [462.0, 500.0]  IQM of 4 seeds, 95 % bootstrap interval`."""
    returns = evaluation.returns.mean(axis=1)
    seeds, episodes = evaluation.returns.shape
    if seeds == 1:
        return f"{number(returns[0])}, 1 seed x {episodes} episodes (no interval from one seed)"
    low, high = bootstrap_interval(returns)
    return (
        f"{number(interquartile_mean(returns))} [{number(low)}, {number(high)}]  "
        f"IQM of {seeds} seeds, 95 % bootstrap interval"
    )
