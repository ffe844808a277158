"""Statistics over seeds: closed forms, symmetry, coverage."""

from __future__ import annotations

import numpy as np
import pytest

from upslope.training.statistics import bootstrap_interval, interquartile_mean


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], 3.0),
        ([1.0, 2.0], 1.5),
        ([1, 2, 3, 100], 2.5),
        ([0, 1, 2, 3, 4, 5, 6, 1e9], 3.5),
        # Of five values the middle half is [1.25, 3.75] of [0, 5]: weights .75, 1, .75.
        ([0, 1, 2, 3, 50], (0.75 * 1 + 2 + 0.75 * 3) / 2.5),
    ],
)
def test_interquartile_mean_by_hand(values, expected):
    np.testing.assert_allclose(interquartile_mean(np.asarray(values)), expected)
    shuffled = np.random.default_rng(0).permutation(values)
    np.testing.assert_allclose(interquartile_mean(shuffled), expected)


def test_interquartile_mean_is_scipys_when_quarters_are_whole():
    from scipy.stats import trim_mean

    values = np.random.default_rng(1).normal(size=(5, 8))
    np.testing.assert_allclose(interquartile_mean(values), trim_mean(values.ravel(), 0.25))
    assert np.isnan(interquartile_mean(np.array([])))


def test_bootstrap_is_repeatable_and_ordered():
    values = np.random.default_rng(2).normal(size=10)
    low, high = bootstrap_interval(values)
    assert (low, high) == bootstrap_interval(values)
    assert low < interquartile_mean(values) < high
    wide = bootstrap_interval(values, confidence=0.99)
    assert wide[0] <= low
    assert wide[1] >= high


def test_bootstrap_moves_and_scales_with_the_data():
    values = np.random.default_rng(3).normal(size=10)
    low, high = bootstrap_interval(values)
    np.testing.assert_allclose(bootstrap_interval(10 + 2 * values), [10 + 2 * low, 10 + 2 * high])


def test_no_interval_from_one_seed_and_none_wide_from_equal_ones():
    assert np.isnan(bootstrap_interval(np.array([1.0]))).all()
    np.testing.assert_allclose(bootstrap_interval(np.full(5, 7.0)), [7.0, 7.0])


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    """Mean of 20 normals: a 95 % percentile interval covers some 93 %. 300 tries, +-4.5 SE."""
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(300):
        low, high = bootstrap_interval(rng.normal(size=20), np.mean, resamples=400)
        hits += low <= 0.0 <= high
    assert 0.93 - 4.5 * 0.0147 < hits / 300 < 0.93 + 4.5 * 0.0147
