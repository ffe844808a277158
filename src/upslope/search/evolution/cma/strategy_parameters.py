"""The constants of CMA-ES as functions of dimension and population size."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jax import Array

MAX_FULL = 5000  # parameters, beyond which a full covariance matrix is refused


class StrategyParameters(NamedTuple):
    """What an update of CMA-ES multiplies with.

    Numbers of the host (float64), which are constants of a compiled program; arrays where the
    population size is known only in the program.
    """

    weights: np.ndarray | Array  # [P] of the best, second best, ...; negative ones act on C alone
    mu_eff: float | Array  # variance-effective number of parents
    c_c: float | Array  # rate of the path of the covariance
    c_sigma: float | Array  # rate of the path of the step size
    c_1: float | Array  # rate of the rank-one update
    c_mu: float | Array  # rate of the rank-mu update
    damping: float | Array  # of the step size
    expected_norm: float | Array  # E|N(0, I)|


def default_population_size(dimension: int) -> int:
    """4 + floor(3 ln D), the smallest population that is reliable on unimodal functions.

    References:
      Hansen (2016), table 1.
    """
    return 4 + int(3 * math.log(dimension))


def raw_weights(population_size: int) -> np.ndarray:
    """ln((P + 1) / 2) - ln i for i = 1..P: Hansen (2016), equation 49."""
    return math.log((population_size + 1) / 2) - np.log(np.arange(1, population_size + 1))


def strategy_parameters(
    dimension: int, population_size: int, *, active: bool, separable: bool = False
) -> StrategyParameters:
    """Learning rates and recombination weights.

    Those of Hansen's tutorial, with pycma 4's values where the two differ: c_sigma is larger (3 in
    place of 5 in its denominator), c_mu too (1/4 more in its numerator), the rank-one rate of
    populations below 6 is smaller, and the damping of populations that are large beside the
    dimension is greater.

    Args:
      dimension: D.
      population_size: P, at least 2.
      active: keep negative weights, so that bad directions shrink the covariance.
      separable: rates for D variances instead of D (D + 1) / 2 covariances.

    References:
      Hansen (2016), table 1 and equations 49 to 58; Ros and Hansen (2008) for separable rates.
    """
    n = dimension
    weights = raw_weights(population_size)
    positive, negative = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    positive /= positive.sum()
    mu_eff = 1.0 / float(np.sum(positive**2))
    mu_eff_minus = float(negative.sum() ** 2 / np.sum(negative**2))
    shape = mu_eff + 1.0 / mu_eff - 1.75
    if separable:
        c_c = (1 + 1 / n + mu_eff / n) / (n**0.5 + 1 / n + 2 * mu_eff / n)
        c_1 = 1 / (n + 2 * n**0.5 + mu_eff / n)
        c_mu = min(1 - c_1, shape / (n + 4 * n**0.5 + mu_eff / 2))
    else:
        c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
        c_1 = min(1, population_size / 6) * 2 / ((n + 1.3) ** 2 + mu_eff)
        c_mu = min(1 - c_1, 2 * shape / ((n + 2) ** 2 + mu_eff))
    c_sigma = min(0.5, (mu_eff + 2) / (n + mu_eff + 3))
    if active:
        limits = [1 + c_1 / c_mu, 1 + 2 * mu_eff_minus / (mu_eff + 2)]
        if not separable:  # then C stays positive definite whatever is drawn
            limits.append((1 - c_1 - c_mu) / c_mu / n)
        weights = positive - negative / negative.sum() * min(limits)
    else:
        weights = positive
    crowd = max(1.0, 3 * (1 - 0.5 ** (n / 9))) * math.sqrt((mu_eff - 1) / (n + 1))
    norm = math.sqrt(2) * math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2))
    return StrategyParameters(
        weights=weights,
        mu_eff=mu_eff,
        c_c=c_c,
        c_sigma=c_sigma,
        c_1=c_1,
        c_mu=c_mu,
        damping=1 + 2 * max(0.0, crowd - 1) + c_sigma,
        expected_norm=norm,
    )
