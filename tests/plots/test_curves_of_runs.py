"""Curves of runs: what is drawn is what was logged."""

import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.engine.history import History
from upslope.engine.progress import Evaluation, Summary, Times
from upslope.plots.curves_of_runs import on_one_grid, run_curves
from upslope.plots.figure_file import check_ending
from upslope.training import Run, RunConfig


@pytest.fixture
def run():
    history = History()
    for k in (1, 2, 3):
        for seed in (0, 1):
            row = {"seed": seed, "iteration": k, "steps": 10 * k + seed, "loss": k + seed}
            history.append(row | {"rare": np.nan if k == 2 else 1.0})
        steps = np.array([10 * k, 10 * k])
        history.evaluations.append(Evaluation(steps, np.full((2, 3), k), np.full((2, 3), 4)))
    config = RunConfig("CartPole-v1", "ppo", seeds=2)
    return Run(config, None, history, Summary("stopped", steps, None, Times()), None, None)


def test_seeds_and_means_are_drawn(run, tmp_path):
    pytest.importorskip("matplotlib")
    figure = run_curves({"a": run}, ["evaluation", "loss", "rare"])
    evaluated, logged, rare = figure.axes
    assert [line.get_ydata().tolist() for line in evaluated.lines] == [[1, 2, 3]] * 3
    assert logged.lines[1].get_xdata().tolist() == [11, 21, 31]
    assert logged.lines[1].get_ydata().tolist() == [2, 3, 4]
    assert rare.lines[0].get_xdata().tolist() == [10, 30]
    figure.savefig(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size > 1000


def test_episodes_are_counted_and_drawn(run):
    """A row in which two ended gives each their mean; one in which none did gives nothing."""
    ended, lengths = {0: (1, 0, 2), 1: (1, 1, 0)}, {0: (900.0, np.nan, 20.0), 1: (700, 30, np.nan)}
    for name, values in (("episodes", ended), ("length", lengths), ("return", lengths)):
        columns = run.history.columns
        columns[name] = [values[seed][k] for k in range(3) for seed in (0, 1)]
    assert [lengths.tolist() for lengths in run.episodes()] == [[900, 20, 20], [700, 30]]
    with pytest.raises(UpslopeError, match="length"):
        run.episodes("loss")
    with pytest.raises(UpslopeError, match="not of training episodes"):
        run_curves({"a": run}, ["loss"], against="episodes")
    with pytest.raises(UpslopeError, match="against"):
        run_curves({"a": run}, ["length"], against="time")
    pytest.importorskip("matplotlib")
    (axes,) = run_curves({"a": run}, ["length"], against="episodes", until=2).axes
    first, second, mean = axes.lines
    assert first.get_xdata().tolist() == [1, 2]
    assert first.get_ydata().tolist() == [900, 20]
    assert second.get_ydata().tolist() == [700, 30]
    assert mean.get_ydata().tolist() == [800, 25]
    assert axes.get_yscale() == "log"
    (axes,) = run_curves({"a": run}, ["return"], against="episodes").axes
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert axes.get_yscale() == "linear"


def test_seeds_meet_on_one_grid():
    lines = [(np.array([0, 10]), np.array([0.0, 10.0])), (np.array([2, 8]), np.array([2.0, 8.0]))]
    grid, values = on_one_grid(lines)
    assert (grid[0], grid[-1]) == (2, 8)
    np.testing.assert_allclose(values, np.stack([grid, grid], 1))


def test_refusals(run, tmp_path):
    with pytest.raises(UpslopeError, match=r"Did you mean 'loss'"):
        run_curves({"a": run}, ["los"])
    with pytest.raises(UpslopeError, match=r"must end with \.png, \.svg, \.pdf"):
        check_ending(tmp_path / "a.jpg")
