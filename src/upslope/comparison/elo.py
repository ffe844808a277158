"""Ratings from games: the Bradley-Terry model on Elo's scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from upslope.core.checks import UpslopeError, check_number

# Elo's scale: 400 points are odds of ten to one.
SCALE = 400 / np.log(10)


class Ratings(NamedTuple):
    """Elo ratings with intervals; their mean is 0."""

    elo: np.ndarray  # [P]
    low: np.ndarray  # [P]
    high: np.ndarray  # [P]


def elo_ratings(scores: np.ndarray, *, prior_games: float = 1.0) -> np.ndarray:
    r"""Maximum-likelihood ratings of the Bradley-Terry model, on Elo's scale, with mean 0.

    .. math:: P(i \text{ beats } j) = \frac{1}{1 + 10^{(R_j - R_i) / 400}}, \qquad
              \sum_{i, j} s_{ij} \ln P(i \text{ beats } j) \to \max

    with s_ij the points of i against j: a win is one, a draw half a point to both. An entrant that
    has won or lost every game has no finite rating: `prior_games` drawn games between every two
    entrants that have met are counted with the others, which pulls ratings a little together.

    Args:
      scores: [..., P, P] points of the row against the column.
      prior_games: drawn games that are added to each pair that has met; 0 for none.

    Returns:
      [..., P]; infinite where the likelihood has no maximum, which only happens without prior.

    Raises:
      UpslopeError: points that are no square table, or a negative number.

    References:
      Bradley and Terry (1952), "Rank Analysis of Incomplete Block Designs"; Elo (1978), "The Rating
      of Chessplayers"; Hunter (2004) on when the maximum exists.
    """
    points = np.asarray(scores, float)
    if points.ndim < 2 or points.shape[-1] != points.shape[-2]:
        raise UpslopeError(
            f"elo_ratings got scores of shape {points.shape}: they must be a table [P, P], the "
            "points of the row against the column."
        )
    check_number("elo_ratings", "prior_games", prior_games, at_least=0.0)
    if points.size and points.min() < 0:
        raise UpslopeError(
            f"elo_ratings got scores with {points.min():g}: points are not negative; a win is 1, a "
            "draw 0.5 to both."
        )
    size = points.shape[-1]
    points = np.where(np.eye(size, dtype=bool), 0.0, points)
    met = points + np.swapaxes(points, -1, -2) > 0
    points = points + 0.5 * prior_games * met
    games = points + np.swapaxes(points, -1, -2)
    won = points.sum(axis=-1)
    rating = np.zeros(points.shape[:-1])
    gauge = np.full((size, size), 1.0 / size)
    for _ in range(200):
        expected = 1 / (1 + np.exp(rating[..., None, :] - rating[..., :, None]))
        slope = won - (games * expected).sum(axis=-1)
        weights = games * expected * (1 - expected)
        curvature = np.einsum("...ij,ij->...ij", -weights, 1 - np.eye(size))
        curvature = curvature + np.eye(size) * weights.sum(axis=-1)[..., None]
        step = np.linalg.solve(curvature + gauge + 1e-12 * np.eye(size), slope[..., None])[..., 0]
        # Bounded, because the likelihood is flat far from its maximum.
        rating = rating + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-10:
            break
    rating = rating - rating.mean(axis=-1, keepdims=True)
    return SCALE * rating


def ratings_with_intervals(
    games: np.ndarray,
    pairs: list[tuple[int, int]],
    n_entrants: int,
    *,
    prior_games: float = 1.0,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Ratings:
    """Ratings with percentile intervals of a bootstrap over openings, pair by pair.

    The two games of one opening are drawn together: they are not independent.

    Args:
      games: [M, 2, H] results of the first entrant of each pair in the games of its H openings: 1
        won, 0 drawn, -1 lost.
      pairs: M of them.
      n_entrants: P.
      prior_games: see `elo_ratings`.
      confidence: of the intervals.
      resamples: of the bootstrap.
      seed: of the bootstrap.

    Raises:
      UpslopeError: a number out of its range.
    """
    check_number("tournament", "confidence", confidence, above=0.0, below=1.0)
    check_number("tournament", "resamples", resamples, at_least=1, integer=True)
    points = (1 + games).sum(axis=1) / 2  # [M, H] of two games
    n_openings = points.shape[-1]
    generator = np.random.default_rng(seed)
    drawn = generator.integers(n_openings, size=(resamples, len(pairs), n_openings))
    sums = np.take_along_axis(points[None], drawn, axis=2).sum(axis=2)
    found = elo_ratings(
        _table(points.sum(axis=1), pairs, n_entrants, n_openings), prior_games=prior_games
    )
    again = elo_ratings(_table(sums, pairs, n_entrants, n_openings), prior_games=prior_games)
    tail = (1 - confidence) / 2
    low, high = np.quantile(again, (tail, 1 - tail), axis=0)
    return Ratings(found, np.minimum(low, found), np.maximum(high, found))


def _table(
    points: np.ndarray, pairs: list[tuple[int, int]], n_entrants: int, n_openings: int
) -> np.ndarray:
    """Points [..., M] of the first of each pair as a table [..., P, P]."""
    table = np.zeros((*points.shape[:-1], n_entrants, n_entrants))
    for number, (one, other) in enumerate(pairs):
        table[..., one, other] = points[..., number]
        table[..., other, one] = 2 * n_openings - points[..., number]
    return table
