"""Interquartile means and bootstrap intervals."""

import numpy as np
import pytest
from scipy import stats

from upslope.training.statistics import bootstrap_interval, interquartile_mean


def test_the_interquartile_mean_is_scipys_trimmed_mean_where_quarters_are_whole():
    values = np.random.default_rng(0).normal(size=40)
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-12)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0], 3.0), ([1, 2, 6], (0.25 * 1 + 2 + 0.25 * 6) / 1.5), ([1, 5], 3)],
)
def test_the_interquartile_mean_of_few_values(values, expected):
    assert interquartile_mean(np.array(values, float)) == pytest.approx(expected)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    """500 samples of 20 normal seeds: coverage of a nominal 95 % percentile interval is near 0.92
    at this size; outside [0.88, 0.97] with probability below 1e-3."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(500):
        low, high = bootstrap_interval(
            rng.normal(size=20), lambda v: float(v.mean()), resamples=400
        )
        hits += low <= 0 <= high
    assert 0.88 <= hits / 500 <= 0.97


def test_one_seed_has_no_interval():
    assert all(np.isnan(bootstrap_interval(np.array([5.0]))))


def test_the_interval_of_the_same_numbers_is_the_same():
    values = np.arange(5.0)
    assert bootstrap_interval(values) == bootstrap_interval(values)
