"""The report of a run: what was asked, what came out, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from upslope.core.checks import StorageError
from upslope.core.number_text import number, rate, seconds
from upslope.core.shell_command import shell_command
from upslope.environments.adaptors.gymnasium import GIVEN
from upslope.environments.user_code import names_code
from upslope.pages import (
    Bar,
    Code,
    DataTable,
    Facts,
    Figures,
    Notes,
    Page,
    Prose,
    Section,
    Shares,
)
from upslope.pages.blocks import Block
from upslope.search import METHODS
from upslope.training.config_file import config_text
from upslope.training.page_curves import GRADIENT, LoggedCurves, evaluation_figure
from upslope.training.run import Run
from upslope.training.run_folder import RunFolder, flat
from upslope.training.settings import method_settings

ACCOUNTS = {
    "imports": "imports and settings",
    "compile": "compilation",
    "search": "search",
    "evaluation": "evaluation",
    "bookkeeping": "logs and checkpoints",
}
LEGEND = (
    "Thick: the interquartile mean over seeds, with its 95 % bootstrap interval. Faint: the seeds."
)
# Lists of seeds longer than this show the quartiles.
MOST_ROWS = 32


def run_page(run: Run, film: Section | None) -> Page:
    """The report of one run as a page.

    Args:
      run: finished or not.
      film: a section with its film, or why there is none.
    """
    logged = LoggedCurves(run)
    sections = [
        result_section(run),
        *([] if film is None else [film]),
        curves_section(run, logged),
        gradient_section(logged),
        asked_section(run),
        time_section(run),
        notes_section(run),
        again_section(run),
        versions_section(run),
        logged_section(logged),
    ]
    return Page(run.config.title, result_text(run), lead_of(run), sections, footer_of(run))


def result_text(run: Run) -> str:
    """`487.2 [462.0, 500.0]`: the last evaluation's interquartile mean and its interval."""
    if not run.evaluations:
        return ""
    centre, low, high = run.interval()
    if run.config.seeds == 1:
        return f"return {number(centre)}"
    return f"return {number(centre)} [{number(low)}, {number(high)}]"


def lead_of(run: Run) -> str:
    """What the result is, in a sentence; and the state of a run that is not done."""
    state = run.summary.reason
    head = "" if state == "done" else f"This run is not finished: its state is {state}. "
    if not run.evaluations:
        return f"{head}Nothing has been evaluated yet."
    steps = int(np.mean(run.evaluations[-1].steps))
    what = f"after {steps:,} environment steps per seed"
    if run.config.seeds == 1:
        return f"{head}Mean return of held-out episodes {what}; one seed has no interval."
    return (
        f"{head}Interquartile mean over {run.config.seeds} seeds of the return of held-out "
        f"episodes {what}, with its 95 % bootstrap interval."
    )


def footer_of(run: Run) -> str:
    """Where the page comes from."""
    folder = "" if run.folder is None else f" from the run folder {run.folder}"
    return f"Made by Upslope{folder}. This file needs no network."


def result_section(run: Run) -> Section:
    """The last evaluation, seed by seed."""
    if not run.evaluations:
        return Section("Result", [Prose("Nothing has been evaluated yet.")])
    last, returns = run.evaluations[-1], run.returns
    order = np.arange(returns.size)
    if returns.size > MOST_ROWS:
        ranks = np.argsort(returns)[::-1]
        order = ranks[np.linspace(0, returns.size - 1, 5).astype(int)]
    rows = [
        [
            str(seed),
            number(returns[seed]),
            number(last.returns[seed].min()),
            number(last.lengths[seed].mean()),
            f"{int(last.steps[seed]):,}",
        ]
        for seed in order.tolist()
    ]
    columns = ["seed", "return", "worst", "length", "steps"]
    caption = "The last evaluation of each seed, held-out episodes"
    if returns.size > MOST_ROWS:
        caption += " (best, quartiles and worst)"
    return Section("Result", [DataTable(columns, rows, caption)])


def curves_section(run: Run, logged: LoggedCurves) -> Section:
    """Held-out returns and returns of training against steps."""
    figures = [evaluation_figure(run), logged.figure("return")]
    found = [figure for figure in figures if figure is not None]
    if not found:
        return Section("Learning curves", [])
    several = [Prose(LEGEND)] if run.config.seeds > 1 else []
    return Section("Learning curves", [*several, Figures(found)])


def gradient_section(logged: LoggedCurves) -> Section:
    """Signal and noise of the gradient estimates, where the method measures them."""
    found = [figure for name in GRADIENT if (figure := logged.figure(name)) is not None]
    if not found:
        return Section("Gradient", [])
    text = (
        "How much of each gradient estimate is signal, measured while searching from what the "
        "samples say of each other."
    )
    return Section("Gradient", [Prose(text), Figures(found)])


def logged_section(logged: LoggedCurves) -> Section:
    """Everything else that was logged."""
    names = [name for name in logged.names if name not in GRADIENT and name != "return"]
    found = [figure for name in names if (figure := logged.figure(name)) is not None]
    return Section("Everything logged", [Figures(found)] if found else [], folded=True)


def asked_section(run: Run) -> Section:
    """The resolved configuration."""
    config = run.config
    evaluated = config.evaluation_environment
    pairs = [
        ("environment", config.environment),
        *([("evaluated in", evaluated)] if evaluated else []),
        ("method", config.method),
        ("policy", config.policy or "the method's default"),
        ("objective", config.objective),
        ("budget", f"{config.total_timesteps:,} environment steps per seed"),
        ("seeds", str(config.seeds)),
        ("seed", str(config.seed)),
        ("final evaluation", f"{episodes_of(run):,} episodes per seed"),
    ]
    found = {**flat(config.environment_settings), **flat(config.method_settings)}
    found |= {**flat(config.policy_settings), **flat(config.objective_settings)}
    pairs += [(name, value_text(value)) for name, value in found.items()]
    usual = defaults_of(run, found)
    part = Section(f"Defaults of {config.method}", [Facts(usual)], folded=True)
    return Section("What was asked", [Facts(pairs)], parts=[part] if usual else [])


def episodes_of(run: Run) -> int:
    """Held-out episodes of each seed in the last evaluation, or as many as it may have."""
    final = run.summary.final
    return run.config.final_episodes if final is None else final.returns.shape[1]


def defaults_of(run: Run, given: Mapping[str, object]) -> list[tuple[str, str]]:
    """The settings of the method that nobody set, as they are in this version of Upslope."""
    if run.config.method not in METHODS:
        return []
    return [
        (name, value_text(value))
        for name, value in method_settings(METHODS.get(run.config.method)).items()
        if name not in given and isinstance(value, int | float | str | tuple | None)
    ]


def value_text(value: object) -> str:
    """A setting as it is typed."""
    if isinstance(value, list | tuple):
        return " ".join(map(value_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def time_section(run: Run) -> Section:
    """The account of times; nothing for runs of versions that kept none."""
    times = run.summary.times
    total = times.total()
    if total <= 0:
        return Section("Where the time went", [])
    bars = [
        Bar(name, seconds(value), value / total)
        for key, name in ACCOUNTS.items()
        if (value := getattr(times, key)) > 0
    ]
    taken = float(np.sum(run.summary.steps))
    speed = f"; {rate(taken / times.search)} steps per second of search" if times.search else ""
    caption = f"{seconds(total)} in all, {int(taken):,} steps of all seeds{speed}"
    return Section("Where the time went", [Shares(bars, caption)])


def notes_section(run: Run) -> Section:
    """What the run said, and why it cannot be made again exactly."""
    lines = list(run.summary.notes)
    folder = folder_of(run)
    if folder is not None:
        message = str(folder.status().get("message") or "")
        why = str(environment_of(folder).get("irreproducible") or "")
        lines += [text for text in (message, why) if text and text not in lines]
    return Section("Notes", [Notes(lines)] if lines else [])


def again_section(run: Run) -> Section:
    """The command that makes the run again, and the settings that it reads."""
    return Section("Make it again", commands_of(run))


def commands_of(run: Run) -> list[Block]:
    """The commands of a run: as it was typed, from its folder, and from the settings here."""
    config, folder = run.config, folder_of(run)
    blocks: list[Block] = []
    given = config.environment.startswith(f"{GIVEN}:")
    if given:
        what = config.environment.removeprefix(f"{GIVEN}:")
        blocks.append(
            Prose(
                f"The environment {what} was passed in as an object, which no command names: pass "
                "it to upslope.train with the settings below, or name its class in a file, "
                "FILE.py:CLASS."
            )
        )
    words = ["train"]
    words += [f"FILE.py:{config.environment.removeprefix(f'{GIVEN}:')}"] if given else []
    words += [config.environment] if names_code(config.environment) else []
    for module in config.imports:
        words += ["--import", module]
    if folder is not None:
        typed = typed_command(folder)
        if typed:
            blocks.append(Code(typed, "As it was typed"))
        file = folder.path / "config.yaml"
        blocks.append(Code(shell_command(*words, "--config", file), "From its folder"))
    blocks.append(Code(shell_command(*words, "--config", "config.yaml"), "From the settings below"))
    blocks.append(Code(config_text(config.to_dict()), "The resolved settings, config.yaml"))
    return blocks


def typed_command(folder: RunFolder) -> str:
    """The command line that made the run, where it was one of Upslope's."""
    try:
        line = (folder.path / "command.txt").read_text(encoding="utf-8")[:10_000].strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return line if line.startswith("upslope ") and "\n" not in line else ""


def versions_section(run: Run) -> Section:
    """Packages and machine, as the run's folder records them."""
    folder = folder_of(run)
    if folder is None:
        return Section("Versions and machine", [])
    found = environment_of(folder)
    packages = found.get("packages")
    pairs = [("python", str(found["python"]))] if found.get("python") else []
    if isinstance(packages, dict):
        pairs += [(str(name), str(value)) for name, value in packages.items() if value]
    names = {"platform": "platform", "device_kind": "device", "cpu_count": "cores"}
    pairs += [(label, str(found[name])) for name, label in names.items() if found.get(name)]
    if found.get("git_revision"):
        pairs.append(("git revision", str(found["git_revision"])))
    pairs.append(("last change", str(folder.status().get("updated"))))
    return Section("Versions and machine", [Facts(pairs)])


def folder_of(run: Run) -> RunFolder | None:
    """The run's folder, to read it."""
    return None if run.folder is None else RunFolder.open(run.folder, lock=False)


def environment_of(folder: RunFolder) -> dict[str, object]:
    """What the folder says of the machine; nothing where that is damaged."""
    try:
        return folder.environment()
    except StorageError:
        return {}
