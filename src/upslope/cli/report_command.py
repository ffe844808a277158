"""`upslope report RUN...`: one page about a run, or about runs against each other."""

from __future__ import annotations

import os

from upslope.cli.importing import importing
from upslope.core.checks import UpslopeError


def report(words: list[str]) -> int:
    """`upslope report RUN... [--flags]`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.commands import run_folder
        from upslope.cli.compare_command import take_folders
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    argv = Argv.read(words)
    folders = take_folders(argv, ("--no-film", "--film"))
    flags = [
        Setting("film", bool, True, "Film the policies for it, which takes some seconds."),
        Setting("env", str, "the run's", "The environment of the films, where it is your own."),
        Setting("out", str, "report.html in RUN, or here", "The file, .html; its folder is made."),
    ]
    comparison = [
        Setting("target", float, "none", "A return to reach: adds the optimality gap."),
        Setting("confidence", float, 0.95, "Confidence of the intervals between runs."),
    ]
    parsed = parse(
        "upslope report",
        "Write one HTML file about a run, or about several against each other: the result with "
        "its interval, the film, the curves, the settings, where the time went, and the command "
        "that makes it again. It opens without a network.",
        [Group("report", flags), Group("several runs", comparison)],
        argv,
        "RUN...",
    )
    if not folders:
        raise UpslopeError("upslope report needs a run folder: upslope report RUN")
    paths = [run_folder(folder, "report") for folder in folders]
    options = parsed["report"] | parsed["several runs"]
    options |= {"environment": options.pop("env")} if "env" in options else {}
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    with importing():
        from upslope.comparison.report import report as write
        from upslope.training.configure import configure

        configure(1)
    found = write(paths, **options)
    print(f"wrote    {found}, {found.stat().st_size / 1e6:.2f} MB")
    return 0
