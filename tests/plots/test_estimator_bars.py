"""The picture of a gradient check: a row for each estimator, its bias and its interval."""

import sys

import pytest

from small_episodes import GAMMA, MDPS, POLICY
from upslope.core.checks import UpslopeError
from upslope.diagnostics import gradcheck
from upslope.objectives import DiscountedReturn
from upslope.plots.bars import CONTRADICTION, color_of, estimator_bars, save


@pytest.fixture(scope="module")
def report():
    names = "rloo,all-action,grpo"
    return gradcheck(MDPS["ending"], POLICY, DiscountedReturn(GAMMA), names, episodes=8000)


@pytest.mark.slow
def test_every_estimator_is_drawn_where_it_was_measured(report, tmp_path):
    pytest.importorskip("matplotlib")
    left, right = estimator_bars(report).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["grpo", "all-action", "rloo"]
    drawn = [line.get_xdata()[0] for line in left.lines if line.get_marker() == "o"]
    assert drawn == pytest.approx([row.verdict.bias for row in report.rows[::-1]])
    widths = [bar.get_width() for bar in right.patches]
    assert widths == pytest.approx([row.work_normalized_variance for row in report.rows[::-1]])
    assert save(report, tmp_path / "folder" / "bars.png").read_bytes().startswith(b"\x89PNG")


def test_a_contradiction_has_a_colour_of_its_own(report):
    class Row:
        contradiction = "declared unbiased"

    assert color_of(Row) == CONTRADICTION
    assert len({color_of(row) for row in report.rows}) == 2


def test_without_matplotlib_the_extra_is_named(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UpslopeError, match=r"upslope\[plot\]"):
        estimator_bars(report)
