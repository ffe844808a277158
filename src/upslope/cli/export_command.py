"""`upslope export RUN`: a trained policy for programs without Upslope."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from upslope.cli.importing import importing
from upslope.cli.result_table import result_table

if TYPE_CHECKING:
    from upslope.exporting.export_result import Export


def export(words: list[str]) -> int:
    """`upslope export RUN [--format FORMATS] [--output FOLDER]`."""
    with importing():
        from upslope.cli.argv import Argv
        from upslope.cli.commands import one_folder, run_folder
        from upslope.cli.flags import Group, parse
        from upslope.cli.setting import Setting

    argv = Argv.read(words)
    folder = one_folder(argv)
    flags = [
        Setting(
            "format",
            tuple[str, ...],
            "numpy",
            "Formats: numpy (one Python file whose only import is NumPy), onnx, stablehlo.",
        ),
        Setting("output", str, "RUN/export", "The folder for the files."),
        Setting("seed_index", int, "the best", "Which of the run's seeds, counted from 0."),
        Setting("sampled", bool, False, "The NumPy file draws its actions where nothing is said."),
    ]
    parsed = parse(
        "upslope export",
        "Export a run's policy with its observation normalisation. Each file is compared with "
        "predict on 1,000 observations before it is written, and timed.",
        [Group("export", flags)],
        argv,
        "RUN",
    )["export"]
    path = policy_place(folder) or run_folder(folder, "export")
    with importing():
        from upslope.exporting.exported_policy import export
        from upslope.training.configure import configure

        configure(1)
    result = export(
        path,
        Path(parsed["output"]) if "output" in parsed else default_folder(path),
        parsed.get("format", "numpy"),
        seed_index=parsed.get("seed_index"),
        sampled=parsed.get("sampled", False),
    )
    print_export(result, best="seed_index" not in parsed)
    return 0


def policy_place(name: str | None) -> Path | None:
    """A policy folder that stands alone, as `Agent.save` and `Run.save` write it."""
    if name is None:
        return None
    path = Path(name)
    alone = (path / "policy.json").is_file() and not (path.parent / "status.json").is_file()
    return path if alone else None


def default_folder(path: Path) -> Path:
    """`export` in a run folder; a policy folder holds nothing else, so that it goes beside it."""
    if (path / "status.json").is_file():
        return path / "export"
    return path.with_name(f"{path.name}-export")


def print_export(result: Export, best: bool) -> None:
    """A table of the files, and which seed it is."""
    from rich.console import Console
    from rich.text import Text

    from upslope.cli.compare_command import print_whole
    from upslope.exporting.export_result import HEADINGS

    console = Console(highlight=False, soft_wrap=True)
    chosen = " (the best final evaluation)" if best and result.seed_index is not None else ""
    table = result_table(Text(f"{result.title}{chosen}"))
    for k, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if k < 2 else "right", no_wrap=True)
    for row in result.rows():
        table.add_row(*map(Text, row))
    print_whole(console, table)
    count = result.files[0].agreement.observations
    print(f"difference: the largest from predict, deterministic, on {count:,} observations")
    ties = {file.format: file.agreement.ties for file in result.files if file.agreement.ties}
    for name, number in ties.items():
        print(f"note     {name} takes the other of two equal actions on {number} of them")
    print(f"wrote    {result.folder}")
