"""Curves of runs: held-out returns and whatever was logged, every seed and their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from upslope.comparison.aggregates import interquartile_mean
from upslope.comparison.stratified_bootstrap import interval
from upslope.core.checks import UpslopeError, check_choice, unknown_name
from upslope.plots.drawing import COLORS, bare, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from upslope.training.run import Run

EVALUATION = "evaluation"
LABELS = {
    EVALUATION: "return of held-out episodes",
    "return": "return of training episodes",
    "length": "steps of training episodes",
}
OF_EPISODES = ("length", "return")
KEYS = ("seed", "iteration", "steps")
POINTS = 120
RESAMPLES = 400


def run_curves(
    runs: Mapping[str, Run],
    names: Sequence[str] = (EVALUATION,),
    against: str = "steps",
    until: int | None = None,
) -> Figure:
    """A matplotlib figure with a panel for each curve: faint lines are seeds.

    Thick lines are interquartile means over seeds, bands 95 % bootstrap intervals of them.

    Args:
      runs: label to run.
      names: `evaluation`, or columns of the runs' `curves` (`return`, `entropy`, ...).
      against: what is to the right: `"steps"`, or `"episodes"` for the `return` and the `length` of
        each training episode. Lengths are then drawn on a logarithmic scale.
      until: the last step, or episode, that is drawn; None: all.

    Raises:
      UpslopeError: matplotlib is not installed, no run has such a curve, or nothing to draw.
    """
    check_choice("run_curves", "against", against, ("steps", "episodes"))
    if not runs or not names:
        raise UpslopeError("run_curves got nothing to draw: give runs by label and names.")
    known = list(dict.fromkeys(name for run in runs.values() for name in curves_of(run)))
    by_episode = against == "episodes"
    for name in names:
        if name not in known:
            raise unknown_name("curve", name, known)
        if by_episode and name not in OF_EPISODES:
            raise UpslopeError(
                f"The curve {name!r} is not of training episodes and cannot be drawn against "
                f"their number: choose {' or '.join(map(repr, OF_EPISODES))}, or against='steps'."
            )
    height = 3.2 * len(names) + 1
    figure = require_matplotlib()(figsize=(7, height), layout="constrained")
    panels = figure.subplots(len(names), squeeze=False, sharex=True)[:, 0]
    for axes, name in zip(panels, names, strict=True):
        for place, (label, run) in enumerate(runs.items()):
            lines = episode_curves(run, name) if by_episode else seed_curves(run, name)
            if until is not None:
                lines = [(x[x <= until], y[x <= until]) for x, y in lines]
                lines = [line for line in lines if line[0].size]
            if not lines:
                continue
            color = COLORS[place % len(COLORS)]
            for steps, values in lines:
                axes.plot(steps, values, color=color, lw=0.8, alpha=0.3)
            steps, matrix = on_episodes(lines) if by_episode else on_one_grid(lines)
            ends = [
                interval(interquartile_mean, row[:, None], resamples=RESAMPLES) for row in matrix
            ]
            axes.plot(steps, [float(end.value) for end in ends], color=color, lw=2, label=label)
            low, high = ([float(end[side]) for end in ends] for side in (1, 2))
            axes.fill_between(steps, low, high, color=color, alpha=0.2, lw=0)
        if by_episode and name == "length":
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.yaxis.set_minor_formatter(lambda *_: "")
        axes.set_ylabel(LABELS.get(name, name.replace("_", " ")))
        axes.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
        axes.locator_params(axis="x", nbins=6, integer=by_episode)
        bare(axes)
        axes.grid(alpha=0.25)
    panels[0].legend(frameon=False, fontsize=9)
    label = "training episodes of each seed" if by_episode else "environment steps of each seed"
    panels[-1].set_xlabel(label)
    figure.supxlabel(
        "faint: seeds; line: their interquartile mean; band: 95 % bootstrap interval",
        fontsize=8,
        color="0.4",
    )
    return figure


def curves_of(run: Run) -> list[str]:
    """The names of the curves that a run has."""
    evaluated = [EVALUATION] if run.evaluations else []
    return evaluated + [name for name in run.curves if name not in KEYS]


def seed_curves(run: Run, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Steps and values of one curve for each seed, without what is not finite."""
    if name == EVALUATION:
        evaluations = run.evaluations
        steps = np.array([evaluation.steps for evaluation in evaluations])
        values = np.array([evaluation.returns.mean(axis=1) for evaluation in evaluations])
        lines = [(steps[:, seed], values[:, seed]) for seed in range(run.config.seeds)]
    elif name in run.curves:
        lines = [run.history.curve(name, seed) for seed in range(run.config.seeds)]
    else:
        return []
    kept = [(s[np.isfinite(v)], v[np.isfinite(v)]) for s, v in lines]
    return [line for line in kept if line[0].size]


def on_one_grid(lines: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Steps [P] where all seeds have values, and the values [P, S], linear between their own."""
    first = max(steps[0] for steps, _ in lines)
    last = max(first, min(steps[-1] for steps, _ in lines))
    own = lines[0][0]
    same = all(np.array_equal(steps, own) for steps, _ in lines) and own.size <= POINTS
    grid = own if same else np.linspace(first, last, POINTS)
    return grid, np.stack([np.interp(grid, steps, values) for steps, values in lines], axis=1)


def episode_curves(run: Run, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Number and value of each training episode of each seed that finished one."""
    lines = [run.history.episode_curve(name, seed) for seed in range(run.config.seeds)]
    return [line for line in lines if line[0].size]


def on_episodes(lines: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers [P] of episodes that all seeds have, and their values [P, S]."""
    shortest = min(numbers.size for numbers, _ in lines)
    chosen = np.unique(np.linspace(0, shortest - 1, min(shortest, POINTS)).round().astype(int))
    return chosen + 1, np.stack([values[chosen] for _, values in lines], axis=1)
