"""Charts put values where they belong, and leave out what is not finite."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from upslope.pages import Interval, Line, interval_chart, line_chart
from upslope.pages.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, tick_text, ticks


def paths(svg, kind):
    """Points [P, 2] of each path of a class."""
    return [
        np.array(re.findall(r"-?[\d.]+", found.get("d")), float).reshape(-1, 2)
        for found in ElementTree.fromstring(svg).iter()
        if kind in (found.get("class") or "").split() and found.get("d")
    ]


def test_a_line_goes_from_the_lower_left_to_the_upper_right():
    x = np.arange(5.0)
    svg = line_chart("t", [Line(x, x**2, 3, x**2 - 1, x**2 + 1)], "steps", "return")
    (line,) = paths(svg, "line")
    np.testing.assert_allclose(line[:, 0], np.linspace(LEFT, WIDTH - RIGHT, 5), atol=0.06)
    assert (np.diff(line[:, 1]) < 0).all()
    assert TOP < line[-1, 1] < line[0, 1] < HEIGHT - BOTTOM
    (band,) = paths(svg, "band")
    assert band.shape == (10, 2)
    np.testing.assert_allclose(band[:5, 0], band[:4:-1, 0])


def test_nothing_that_is_not_finite_is_drawn():
    y = np.array([1.0, np.nan, 3.0, np.inf])
    lonely = Line(np.array([2.0]), np.array([2.0]))
    svg = line_chart("t", [Line(np.arange(4.0), y, faint=[(np.arange(4.0), y)]), lonely], "", "")
    assert "nan" not in svg
    assert "inf" not in svg
    assert [len(line) for line in paths(svg, "line")] == [2]
    assert svg.count("<circle") == 1
    empty = line_chart("t", [Line(np.zeros(0), np.zeros(0))], "", "")
    assert "nan" not in empty


def test_values_far_apart_get_a_logarithmic_axis_where_they_may():
    values = np.array([1e-3, 1.0, 1e3, 0.0])
    lines = [Line(np.arange(4.0), values, low=values - 1, high=values + 1)]
    plain, log = (line_chart("t", lines, "", "", may_be_log=may) for may in (False, True))
    height = [paths(svg, "line")[0][:, 1] for svg in (plain, log)]
    assert abs(height[0][0] - height[0][1]) < 1
    np.testing.assert_allclose(*np.diff(height[1][:3]), atol=0.2)
    assert len(height[1]) == 3


def test_words_in_charts_are_escaped():
    svg = line_chart('"<b>&', [Line(np.arange(2.0), np.arange(2.0))], "<x>", "<y>")
    assert ElementTree.fromstring(svg).get("aria-label") == '"<b>&'
    rows = [Interval("<a>", 1.0, 0.5, 2.0, points=[0.7]), Interval("b", 3.0, np.nan, np.nan)]
    svg = interval_chart("t", rows, "x", reference=0.0)
    texts = [found.text for found in ElementTree.fromstring(svg).iter("text")]
    assert "<a>" in texts


def test_intervals_are_in_their_order():
    rows = [Interval("a", 0.5, 0.25, 0.75), Interval("b", 1.0, 1.0, 1.0)]
    svg = interval_chart("t", rows, "x", ends=(0.0, 1.0))
    dots = [float(found.get("cx")) for found in ElementTree.fromstring(svg).iter("circle")]
    assert dots[0] < dots[1] < WIDTH


@pytest.mark.parametrize("ends", [(0, 1000), (-3.2, 7.9), (0.001, 0.0042), (1e6, 3e6), (5, 5.5)])
def test_ticks_are_round_and_inside(ends):
    found = ticks(*ends, 5)
    assert 3 <= len(found) <= 7
    assert all(ends[0] - 1e-9 <= tick <= ends[1] + 1e-9 for tick in found)
    assert len({tick_text(tick) for tick in found}) == len(found)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (500, "500"), (2500, "2500"), (20_000, "20k"), (1.5e6, "1.5M"), (0.002, "0.002")],
)
def test_ticks_are_short(value, text):
    assert tick_text(value) == text
