"""Elo by maximum likelihood: hand numbers, scipy's optimum, wrong variants."""

import numpy as np
import pytest
from scipy.optimize import minimize

from upslope.comparison import elo_ratings
from upslope.comparison.elo import ratings_with_intervals
from upslope.core.checks import UpslopeError


def by_scipy(points, prior):
    """The maximum of the log-likelihood, found from function values."""
    met = (points + points.T > 0) * 1.0
    points = points + prior / 2 * met

    def loss(free):
        rating = np.append(free, 0.0)
        gap = (rating[:, None] - rating[None, :]) * np.log(10) / 400
        return np.sum(points * np.logaddexp(0, -gap))

    found = minimize(loss, np.zeros(len(points) - 1), method="BFGS", options={"gtol": 1e-9})
    rating = np.append(found.x, 0.0)
    return rating - rating.mean()


def test_hand_numbers():
    """Three points of four are 400 log10(3) = 190.85; draws are halves; nothing is 0."""
    for points in ([[0, 3], [1, 0]], [[0, 2 + 2 / 2], [2 / 2, 0]]):
        gap = np.subtract(*elo_ratings(np.array(points, float), prior_games=0))
        assert gap == pytest.approx(190.848, abs=1e-3)
    np.testing.assert_allclose(elo_ratings(np.array([[0, 5.0], [5.0, 0]])), 0.0, atol=1e-9)
    # 10 of 10 with one drawn game added: 10.5 to 0.5, odds of 21.
    gap = np.subtract(*elo_ratings(np.array([[0, 10.0], [0, 0]])))
    assert gap == pytest.approx(400 * np.log10(21), abs=1e-3)
    # A beats B by 2 : 1, B beats C by 2 : 1, and A meets C at what that predicts, 4 : 1.
    chain = np.array([[0, 2, 4], [1, 0, 2], [1, 1, 0]], float)
    rating = elo_ratings(chain, prior_games=0)
    np.testing.assert_allclose(rating, 400 * np.log10(2) * np.array([1, 0, -1]), atol=1e-6)


@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_scipy_finds_the_same(prior):
    generator = np.random.default_rng(0)
    points = generator.integers(1, 30, (5, 5)) / 2.0
    np.fill_diagonal(points, 0)
    wanted = by_scipy(points, prior)
    np.testing.assert_allclose(elo_ratings(points, prior_games=prior), wanted, atol=0.01)
    # Draws as losses, or the table read by columns: wrong variants, far off.
    assert np.abs(elo_ratings(np.floor(points), prior_games=prior) - wanted).max() > 1
    assert np.abs(elo_ratings(points.T, prior_games=prior) - wanted).max() > 10


def test_a_batch_is_its_rows():
    points = np.random.default_rng(1).integers(1, 9, (6, 3, 3)).astype(float)
    rows = np.stack([elo_ratings(table) for table in points])
    np.testing.assert_allclose(elo_ratings(points), rows, atol=1e-6)


def test_intervals_cover():
    """Of 60 matches with a gap of 100 some 95 % of the intervals hold it (false alarm 1e-3)."""
    generator = np.random.default_rng(2)
    chance, covered = 1 / (1 + 10 ** (-100 / 400)), 0
    for number in range(60):
        games = np.where(generator.random((1, 2, 100)) < chance, 1, -1)
        found = ratings_with_intervals(games, [(0, 1)], 2, seed=number, resamples=300)
        covered += found.low[0] <= 50 <= found.high[0]
    assert 50 <= covered <= 60
    all_won = ratings_with_intervals(np.ones((1, 2, 20)), [(0, 1)], 2)
    assert np.isfinite(all_won.elo).all()
    assert all_won.elo[0] > 250


@pytest.mark.parametrize(
    ("points", "reason"),
    [(np.zeros((2, 3)), r"shape \(2, 3\).*\[P, P\]"), (np.full((2, 2), -1.0), "with -1")],
)
def test_refusals(points, reason):
    with pytest.raises(UpslopeError, match=reason):
        elo_ratings(points)
