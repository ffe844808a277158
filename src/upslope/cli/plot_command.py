"""`upslope plot RUN...`: curves of runs as a PNG, SVG or PDF file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from upslope.cli.importing import importing
from upslope.core.checks import UpslopeError


def plot(words: list[str]) -> int:
    """`upslope plot RUN... [--curves NAME...] [--against WHAT] [--until N] [--output FILE]`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.commands import run_folder
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    argv = Argv.read(words)
    folders, argv.names = list(argv.names), []
    flags = [
        Setting(
            "curves",
            tuple[str, ...],
            "evaluation",
            "Curves to draw, a panel each: evaluation, or columns of the log such as return.",
        ),
        Setting(
            "against",
            Literal["steps", "episodes"],
            "steps",
            "What is to the right: steps, or the number of the training episode (length, return).",
        ),
        Setting("until", int | None, None, "The last step, or episode, that is drawn."),
        Setting("output", str, "curves.png", "The file to write: .png, .svg or .pdf."),
    ]
    parsed = parse(
        "upslope plot",
        "Draw the curves of runs, finished or not: seeds, their interquartile mean and its "
        "interval.",
        [Group("figure", flags)],
        argv,
        "RUN...",
    )["figure"]
    if not folders:
        raise UpslopeError("upslope plot needs run folders before its flags: upslope plot RUN")
    with importing():
        from upslope.comparison.compared_runs import labels_of
        from upslope.plots.curves_of_runs import EVALUATION, run_curves
        from upslope.plots.figure_file import check_ending, save_figure
        from upslope.training.run import Run

    path = check_ending(Path(parsed.get("output", "curves.png")))
    runs = [Run.load(run_folder(folder, "plot")) for folder in folders]
    figure = run_curves(
        dict(zip(labels_of(runs), runs, strict=True)),
        parsed.get("curves", (EVALUATION,)),
        parsed.get("against", "steps"),
        parsed.get("until"),
    )
    print(f"wrote    {save_figure(figure, path)}")
    return 0
