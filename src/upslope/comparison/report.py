"""The report of one run, or of several against each other, as one file of HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from upslope.comparison import stratified_bootstrap
from upslope.comparison.compared_runs import RunLike, compare, labels_of
from upslope.comparison.comparison import NAMES, Comparison, Group, interval_text
from upslope.core.checks import UpslopeError
from upslope.core.shell_command import shell_command
from upslope.pages import (
    Code,
    DataTable,
    Figure,
    Figures,
    Interval,
    Line,
    Notes,
    Page,
    Prose,
    Section,
    interval_chart,
    line_chart,
)
from upslope.pages.html_page import require_jinja
from upslope.training.page_curves import STEPS
from upslope.training.report_run import check_html, film_blocks, report_run, write_page
from upslope.training.run import Run
from upslope.training.run_page import (
    asked_section,
    commands_of,
    notes_section,
    time_section,
    versions_section,
)

if TYPE_CHECKING:
    from upslope.environments.factory import EnvironmentLike
    from upslope.pages.blocks import Block

COLORS = 7


def report(
    runs: RunLike | Iterable[RunLike] | Mapping[str, RunLike],
    out: str | Path | None = None,
    *,
    film: bool = True,
    environment: EnvironmentLike | None = None,
    target: float | None = None,
    confidence: float = 0.95,
) -> Path:
    """One file of HTML about a run, or about several against each other; returns its path.

        upslope.report("runs/CartPole-v1/ppo")
        upslope.report({"PPO": "runs/ppo", "CEM": "runs/cem"}, "ppo-or-cem.html")

    What came out with its intervals, the film, the curves, what was asked, the gradient's quality
    where it was measured, where the time went, what was said, the versions, and the command that
    makes it again. The file opens without a network, is readable on a telephone, and follows the
    reader's choice of light or dark.

    Args:
      runs: a run or its folder; or several, which are compared as `compare` does. A mapping gives
        them labels.
      out: the file, ending in `.html`; None: `report.html` in the run's folder, or here for
        several.
      film: whether the policies are filmed for it, which takes some seconds. What cannot be filmed
        is said in the page.
      environment: see `evaluate`; for the films of all runs.
      target: a return to reach, see `compare`; for several runs.
      confidence: of the intervals between several runs.

    Raises:
      UpslopeError: no run, several of which none is finished, another ending than `.html`, or
        jinja2 is not installed.
      StorageError: a folder is no run folder, or the file cannot be written.
    """
    if isinstance(runs, str | Path | Run):
        return report_run(runs, out, film=film, environment=environment)
    named = [str(label) for label in runs] if isinstance(runs, Mapping) else None
    given: list[RunLike] = list(runs.values()) if isinstance(runs, Mapping) else list(runs)
    if not given:
        raise UpslopeError("report got no run: give one, or several in a list.")
    if len(given) == 1 and named is None:
        return report_run(given[0], out, film=film, environment=environment)
    path = check_html("report.html" if out is None else out)
    require_jinja()
    opened = [run if isinstance(run, Run) else Run.load(run) for run in given]
    labels = labels_of(opened) if named is None else named
    labelled = dict(zip(labels, opened, strict=True))
    comparison = compare(
        opened if named is None else labelled, target=target, confidence=confidence
    )
    return write_page(comparison_page(comparison, labelled, film, environment), path)


def comparison_page(
    comparison: Comparison,
    runs: Mapping[str, Run],
    film: bool,
    environment: EnvironmentLike | None,
) -> Page:
    """The report of a comparison as a page."""
    sections = [group_section(group, len(comparison.groups) > 1) for group in comparison.groups]
    sections.append(Section("Notes", [Notes(comparison.notes)] if comparison.notes else []))
    if film:
        parts = [film_part(label, run, environment) for label, run in runs.items()]
        sections.append(Section("Films", [], parts=parts))
    details = [run_part(label, run) for label, run in runs.items()]
    sections.append(Section("The runs", [], parts=details))
    folders = [str(run.folder) for run in runs.values() if run.folder is not None]
    if len(folders) == len(runs):
        commands = [
            Code(shell_command("compare", *folders), "The numbers, in a terminal"),
            Code(shell_command("report", *folders), "This page"),
        ]
        sections.append(Section("Make it again", commands))
    environments = dict.fromkeys(str(g.conditions["environment"]) for g in comparison.groups)
    title = f"{len(runs)} runs on {', '.join(environments)}"
    lead = (
        f"Returns of held-out episodes, aggregated over seeds, with {100 * comparison.confidence:g}"
        " % stratified bootstrap intervals. Runs of unlike environments, budgets, ways of "
        "evaluation or versions are never averaged."
    )
    best = headline(comparison)
    if best:
        lead = f"Above, the highest interquartile mean. {lead}"
    return Page(title, best, lead, sections, FOOTER)


FOOTER = (
    "Made by Upslope. This file needs no network. The definitions are those of Agarwal, Schwarzer, "
    "Castro, Courville and Bellemare (2021), Deep Reinforcement Learning at the Edge of the "
    "Statistical Precipice."
)


def headline(comparison: Comparison) -> str:
    """The highest interquartile mean of a single group; nothing where there are several."""
    if len(comparison.groups) != 1:
        return ""
    best = max(
        comparison.groups[0].contenders,
        key=lambda one: float(one.aggregates["interquartile_mean"].value),
    )
    return f"{best.label}: {interval_text(best.aggregates['interquartile_mean'])}"


def group_section(group: Group, several: bool) -> Section:
    """What was found of runs that may be compared."""
    contenders = group.contenders
    aggregates = interval_chart(
        "Interquartile mean of each run",
        [
            Interval(
                one.label,
                *ends(one.aggregates["interquartile_mean"]),
                color=place % COLORS,
                points=one.scores.tolist(),
            )
            for place, one in enumerate(contenders)
        ],
        "return; marks are seeds",
    )
    legend = [(place % COLORS, one.label) for place, one in enumerate(contenders)]
    curves = [line_of(one.steps, one.curve, place % COLORS) for place, one in enumerate(contenders)]
    profiles = [
        line_of(group.thresholds, one.profile, place % COLORS)
        for place, one in enumerate(contenders)
    ]
    figures = [
        Figure("Interquartile mean", aggregates),
        Figure(
            "Sample efficiency",
            line_chart("Interquartile mean against steps", curves, STEPS, "return"),
            legend,
            "Line: interquartile mean over seeds; band: its interval.",
        ),
        Figure(
            "Performance profile",
            line_chart("Share of seeds above each return", profiles, "return", "share of seeds"),
            legend,
            "The share of seeds with a return above each value: higher is better.",
        ),
    ]
    columns = ["run", "seeds", *(NAMES[name] for name in contenders[0].aggregates)]
    blocks: list[Block] = [DataTable(columns, group.rows(), "Value and interval over seeds")]
    if group.improvement:
        figures.append(improvement_figure(group))
        blocks.append(improvement_table(group))
    blocks.append(Figures(figures))
    return Section(group.title if several else "Result", blocks)


def ends(found: stratified_bootstrap.Interval) -> tuple[float, float, float]:
    """A value and its interval as numbers."""
    return float(found.value), float(found.low), float(found.high)


def line_of(x: np.ndarray, found: stratified_bootstrap.Interval, color: int) -> Line:
    """A curve with its interval."""
    value, low, high = (np.asarray(end, float) for end in found)
    return Line(x, value, color, low, high)


def pairs_of(group: Group) -> list[tuple[str, str]]:
    """Each pair of runs once, in the order of the table."""
    order = {one.label: place for place, one in enumerate(group.contenders)}
    return [pair for pair in group.improvement if order[pair[0]] < order[pair[1]]]


def improvement_figure(group: Group) -> Figure:
    """Who is better than whom, as a chart."""
    rows = [
        Interval(f"{first} over {second}", *ends(group.improvement[first, second]))
        for first, second in pairs_of(group)
    ]
    title = "Probability of improvement"
    svg = interval_chart(title, rows, "probability; the line is even odds", 0.5, (0.0, 1.0))
    return Figure(title, svg)


def improvement_table(group: Group) -> DataTable:
    """Who is better than whom, as numbers."""
    rows = [
        [first, second, interval_text(group.improvement[first, second])]
        for first, second in pairs_of(group)
    ]
    return DataTable(
        ["a seed of", "is better than one of", "probability"], rows, "Probability of improvement"
    )


def film_part(label: str, run: Run, environment: EnvironmentLike | None) -> Section:
    """The film of one run; a line that says why where there is none."""
    try:
        return Section(label, film_blocks(run, environment))
    except UpslopeError as error:
        return Section(label, [Notes([f"There is no film: {error}"])])


def run_part(label: str, run: Run) -> Section:
    """What one run was asked, where its time went, what it said and how to make it again."""
    blocks: list[Block] = []
    sections = (asked_section(run), time_section(run), notes_section(run), versions_section(run))
    for section in sections:
        blocks += section.blocks
    steps = int(np.mean(run.summary.steps))
    blocks += [Prose(f"{steps:,} environment steps per seed were taken."), *commands_of(run)]
    return Section(label, blocks, folded=True)
