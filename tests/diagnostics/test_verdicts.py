"""Verdicts on synthetic estimators, whose bias is known."""

from __future__ import annotations

import numpy as np
import pytest

from upslope.diagnostics.verdicts import (
    RunningMoments,
    estimates_for_direction,
    judge,
    threshold,
)

REFERENCE = np.array([1.0, -2.0, 0.5])


def verdict_on(rows, bound=4.5, reference=REFERENCE, error=None):
    moments = RunningMoments(reference)
    for block in np.array_split(rows, 3):
        moments.add(block)
    error = np.zeros_like(reference) if error is None else error
    return judge(moments.measured(), reference, error, bound)


def noisy(seed, size=400, bias=0.0):
    generator = np.random.default_rng(seed)
    return REFERENCE * (1 + bias) + generator.normal(size=(size, 3)) * [1.0, 3.0, 0.1]


def test_moments_in_blocks_are_moments_of_the_whole():
    rows = noisy(0, 1001)
    moments = RunningMoments(REFERENCE)
    for block in np.array_split(rows, 7):
        moments.add(block)
    found = moments.measured()
    np.testing.assert_allclose(found.mean, rows.mean(0))
    np.testing.assert_allclose(found.variance, rows.var(0, ddof=1))
    along = rows @ REFERENCE
    np.testing.assert_allclose(found.along_mean, along.mean())
    np.testing.assert_allclose(found.along_variance, along.var(ddof=1))
    assert found.count == 1001


def test_the_rate_of_false_alarms_is_the_one_promised():
    """2000 checks of 3 coordinates at 5 %: 100 alarms, within 5 binomial standard deviations."""
    bound = threshold(3, 1, 0.05)
    alarms = sum(not verdict_on(noisy(seed), bound).consistent for seed in range(2000))
    assert abs(alarms - 100) < 5 * np.sqrt(2000 * 0.05 * 0.95)
    assert threshold(3, 30) > threshold(3, 1) > threshold(1, 1)
    loose = sum(not verdict_on(noisy(seed), 1.96).consistent for seed in range(500))
    assert loose > 50  # without the correction for three coordinates


def test_a_bias_is_found_and_measured():
    found = verdict_on(noisy(1, 20_000, bias=-0.2))
    assert not found.consistent
    assert found.bias == pytest.approx(-0.2, abs=2 * found.bias_error)
    assert found.distance == pytest.approx(0.2, abs=0.05)
    assert found.cosine == pytest.approx(1.0, abs=1e-3)
    assert verdict_on(noisy(1, 20_000)).consistent
    assert verdict_on(noisy(1, 20_000)).distance < 0.05


def test_the_references_own_error_widens_the_interval():
    rows = noisy(2, 20_000, bias=-0.05)
    assert not verdict_on(rows).consistent
    wide = verdict_on(rows, error=np.full(3, 0.1))
    assert wide.consistent
    assert wide.bias_error > verdict_on(rows).bias_error


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_the_direction_is_right_with_the_probability_asked_for(spread):
    """Averages of n estimates point uphill in 95 % of 4000 trials, within 5 standard deviations."""
    mean = 0.4
    n = estimates_for_direction(mean, spread**2)
    n = max(round(n), 1)
    generator = np.random.default_rng(0)
    averages = mean + spread / np.sqrt(n) * generator.normal(size=4000)
    expected = 0.95 if spread > 1 else (averages > 0).mean()
    assert abs((averages > 0).mean() - expected) < 5 * np.sqrt(0.05 * 0.95 / 4000) + 0.005
    assert estimates_for_direction(-mean, spread) == np.inf
    assert estimates_for_direction(0.0, spread) == np.inf


def test_coordinates_that_never_move_raise_no_alarm_and_lost_ones_do():
    rows = noisy(3)
    rows[:, 2] = 0.5 + 1e-9
    assert verdict_on(rows).consistent
    rows[:, 2] = 0.0
    assert not verdict_on(rows).consistent
