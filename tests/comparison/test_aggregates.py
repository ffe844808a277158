"""Aggregates and intervals: closed forms, rliable's numbers, and a wrong variant that fails."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from upslope.comparison import aggregates
from upslope.comparison.stratified_bootstrap import interval
from upslope.core.checks import UpslopeError

STORED = json.loads(Path(__file__).with_name("rliable.json").read_text())
STATISTICS = {
    "interquartile_mean": aggregates.interquartile_mean,
    "mean": aggregates.mean,
    "median": aggregates.median,
    "optimality_gap": functools.partial(aggregates.optimality_gap, target=STORED["target"]),
    "performance_profile": functools.partial(
        aggregates.performance_profile, thresholds=STORED["thresholds"]
    ),
    "probability_of_improvement": aggregates.probability_of_improvement,
}


def disagreement(case, name, statistic):
    """The largest difference from rliable: of the value and of both ends, the same draws."""
    samples = [case["x"], case["y"]] if name == "probability_of_improvement" else [case["x"]]
    found = interval(statistic, *samples, resamples=STORED["resamples"])
    stored = case["results"][name]
    value = np.abs(np.ravel(found.value) - stored["value"]).max()
    ends = np.array([np.ravel(found.low), np.ravel(found.high)])
    return max(value, np.abs(ends - stored["interval"]).max())


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("case", range(len(STORED["cases"])))
def test_every_number_is_rliables(name, case):
    assert disagreement(STORED["cases"][case], name, STATISTICS[name]) < 1e-12


def fractional_borders(scores):
    """The wrong variant: the quarters cut with fractional weights."""
    from upslope.training.statistics import interquartile_mean

    flat = scores.reshape(*scores.shape[:-2], -1)
    return np.apply_along_axis(interquartile_mean, -1, flat)


def ties_lost(x, y):
    """The wrong variant: a tie counts nothing."""
    return (x[..., :, None, :] > y[..., None, :, :]).mean(axis=(-3, -2)).mean(axis=-1)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("interquartile_mean", fractional_borders), ("probability_of_improvement", ties_lost)],
)
def test_wrong_variants_are_seen(name, wrong):
    assert disagreement(STORED["cases"][1], name, wrong) > 1e-3


def test_tasks_are_resampled_apart():
    """A sum over two tasks of which the rows cancel: 0 in whole rows, not in strata."""
    scores = np.array([[1.0, -1.0], [-1.0, 1.0], [3.0, -3.0], [-3.0, 3.0]])
    found = interval(aggregates.mean, scores, resamples=500)
    assert found.value == 0
    assert found.low < -0.1 < 0.1 < found.high


def test_closed_forms():
    scores = np.arange(8.0).reshape(4, 2)
    assert aggregates.interquartile_mean(scores) == np.mean([2, 3, 4, 5])
    assert aggregates.mean(scores) == 3.5
    assert aggregates.median(scores) == 3.5
    assert aggregates.optimality_gap(scores, 4.0) == 4 - np.mean([0, 1, 2, 3, 4, 4, 4, 4])
    assert aggregates.performance_profile(scores, [2.0]) == [5 / 8]
    assert aggregates.probability_of_improvement(scores, scores) == 0.5
    assert aggregates.probability_of_improvement(scores + 9, scores) == 1


def test_one_run_has_no_interval():
    found = interval(aggregates.mean, [[2.0]])
    assert found.value == 2
    assert np.isnan([found.low, found.high]).all()


def test_blocks_of_resamples_change_nothing(monkeypatch):
    scores = np.random.default_rng(0).normal(size=(6, 2))
    whole = interval(aggregates.median, scores, resamples=90)
    monkeypatch.setattr("upslope.comparison.stratified_bootstrap.MOST_AT_ONCE", 100)
    assert interval(aggregates.median, scores, resamples=90) == whole


@pytest.mark.parametrize("scores", [[1.0, 2.0], [[np.nan]], np.zeros((0, 2))])
def test_what_is_no_matrix_is_refused(scores):
    with pytest.raises(UpslopeError, match=r"matrix \[runs, tasks\] of finite numbers"):
        interval(aggregates.mean, scores)
