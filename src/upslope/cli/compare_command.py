"""`upslope compare RUN...`: runs against each other, as a table, numbers and a figure."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upslope.cli.importing import importing
from upslope.cli.result_table import result_table
from upslope.core.checks import UpslopeError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from upslope.cli.argv import Argv
    from upslope.comparison import Comparison, Group
    from upslope.training.run import Run


def compare(words: list[str]) -> int:
    """`upslope compare RUN... [--flags]`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.commands import run_folder
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    argv = Argv.read(words)
    folders = take_folders(argv, ("--json", "--quiet"))
    flags = [
        Setting("target", float, "none", "A return to reach: adds the optimality gap."),
        Setting("confidence", float, 0.95, "Confidence of the intervals."),
        Setting("resamples", int, 10_000, "Resamples of the bootstrap."),
        Setting("json", bool, False, "Print the numbers as JSON instead of tables."),
        Setting("output", str, "none", "A folder for comparison.json and comparison.png."),
    ]
    parsed = parse(
        "upslope compare",
        "Compare finished runs: interquartile mean, mean and median over seeds, probability of "
        "improvement, with stratified bootstrap intervals. Runs of unlike environments, budgets, "
        "evaluations or versions are kept apart.",
        [Group("comparison", flags)],
        argv,
        "RUN...",
    )["comparison"]
    if not folders:
        raise UpslopeError("upslope compare needs run folders: upslope compare RUN RUN")
    paths: list[Run | Path] = [run_folder(folder, "compare") for folder in folders]
    return show(paths, parsed)


def take_folders(argv: Argv, switches: tuple[str, ...]) -> list[str]:
    """Takes all run folders: the words before the flags, and those behind switches.

    Flags of one value keep their first word.
    """
    folders, argv.names = list(argv.names), []
    for flag in argv.flags:
        kept = int(flag.name not in switches)
        folders += flag.values[kept:]
        del flag.values[kept:]
    return folders


def show(runs: list[Run | Path], options: dict[str, Any]) -> int:
    """Compares, prints, and writes the folder that was asked for."""
    with importing():
        from upslope.comparison import compare

    names = ("target", "confidence", "resamples")
    comparison = compare(runs, **{k: v for k, v in options.items() if k in names})
    output = options.get("output")
    if options.get("json"):
        print(text_of(comparison))
    else:
        print_comparison(comparison)
    if output is not None:
        for path in write(comparison, Path(output)):
            print(f"wrote    {path}", file=sys.stderr if options.get("json") else sys.stdout)
    return 0


def text_of(comparison: Comparison) -> str:
    """The numbers as JSON; null where there is none."""
    from upslope.storage.json_text import finite_or_null

    return json.dumps(finite_or_null(comparison.to_dict()), indent=1, allow_nan=False)


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """`comparison.json`, and `comparison.png` where matplotlib is installed."""
    from upslope.core.checks import StorageError
    from upslope.plots import comparison_figure
    from upslope.plots.figure_file import save_figure
    from upslope.storage import atomic

    numbers = folder / "comparison.json"
    figure = comparison_figure(comparison)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"Could not create {folder}: {error.strerror or error}.") from error
    atomic.write_bytes(numbers, f"{text_of(comparison)}\n".encode())
    return [numbers, save_figure(figure, folder / "comparison.png")]


def print_comparison(comparison: Comparison) -> None:
    """A table for each group, who is better than whom, and what was kept apart."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for group in comparison.groups:
        print_group(console, group)
        console.print()
    share = f"{100 * comparison.confidence:g} %"
    console.print(f"[value interval]: {share}, stratified bootstrap over seeds", markup=False)
    for note in comparison.notes:
        console.print(f"note     {note}", markup=False)


def print_group(console: Console, group: Group) -> None:
    """The table of one group."""
    from rich.text import Text

    from upslope.comparison.comparison import interval_text

    table = result_table(Text(group.title))
    for column in group.columns():
        table.add_column(column, justify="left" if column == "run" else "right", no_wrap=True)
    for row in group.rows():
        table.add_row(*map(Text, row))
    print_whole(console, table)
    if not group.improvement:
        return
    table = result_table("Probability of improvement", title_style=None)
    for column in ("a seed of", "is better than one of", "probability"):
        table.add_column(column, justify="right" if column == "probability" else "left")
    order = {one.label: place for place, one in enumerate(group.contenders)}
    for (first, second), found in group.improvement.items():
        if order[first] < order[second]:
            table.add_row(Text(first), Text(second), Text(interval_text(found)))
    console.print()
    print_whole(console, table)


def print_whole(console: Console, table: Table) -> None:
    """A table with every cell in full, however narrow the terminal."""
    from rich.measure import Measurement

    wide = console.options.update(max_width=10_000)
    usual = console.width
    console.width = max(usual, Measurement.get(console, wide, table).maximum)
    console.print(table, crop=False)
    console.width = usual
