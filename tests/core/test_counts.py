"""Whole numbers as people write them."""

import math

import pytest

from upslope.core.counts import whole


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (1e6, 1_000_000),
        (8.0, 8),
        ("1e6", 1_000_000),
        ("1E+6", 1_000_000),
        ("100_000", 100_000),
        ("1,000,000", 1_000_000),
        ("100k", 100_000),
        ("1.5M", 1_500_000),
        ("2.5e3", 2_500),
        (" 7 ", 7),
        ("-3", -3),
        (1e22, 10**22),
    ],
)
def test_numbers(written, number):
    found = whole(written)
    assert type(found) is int
    assert found == number


@pytest.mark.parametrize(
    "other", [2.5, "2.5", "1.5e0", "k", "", "ten", "1e", "1e-3", "0x10", "1 2", None, True, [1]]
)
def test_what_is_no_whole_number_stays(other):
    assert whole(other) is other


def test_infinities_stay():
    assert math.isinf(whole(math.inf))
    assert math.isnan(whole(math.nan))
