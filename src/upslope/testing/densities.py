"""Log-probabilities of continuous actions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from upslope.testing.contract import Bug, Case, Contract, flat

MEAN, LOG_STD = np.array([0.3, -0.5, 0.1]), np.array([-0.4, 0.2, -0.9])
NEAR, FAR = np.array([0.1, -0.2, 0.3]), np.array([-0.9, 0.8, -0.7])


def _distribution_function(x: float, mean: float, log_std: float) -> float:
    return 0.5 * (1.0 + math.erf((x - mean) / (math.exp(log_std) * math.sqrt(2.0))))


def _log_density(action: np.ndarray, squash: Callable[[float], float]) -> np.ndarray:
    """The logarithm of the product of the slopes of the distribution functions."""
    total, step = 0.0, 1e-5
    for a, mean, log_std in zip(action, MEAN, LOG_STD, strict=True):
        ahead = _distribution_function(squash(a + step), mean, log_std)
        behind = _distribution_function(squash(a - step), mean, log_std)
        total += math.log((ahead - behind) / (2 * step))
    return np.array([total])


def gaussian(mean: np.ndarray, log_std: np.ndarray, action: np.ndarray) -> float:
    """The sum over the dimensions."""
    z = (action - mean) / np.exp(log_std)
    return float(np.sum(-0.5 * z**2 - log_std - 0.5 * math.log(2 * math.pi)))


def squashed(mean: np.ndarray, log_std: np.ndarray, action: np.ndarray) -> float:
    """The density of the Gaussian under the tanh, over the slope of the tanh."""
    return gaussian(mean, log_std, np.arctanh(action)) - float(np.sum(np.log1p(-(action**2))))


def _cases(squash: Callable[[float], float]) -> tuple[Case, ...]:
    def case(name: str, asks: str, action: np.ndarray) -> Case:
        def answer(function: Callable[..., Any]) -> np.ndarray:
            return flat(function(MEAN.copy(), LOG_STD.copy(), action.copy()))

        return Case(name, asks, answer, lambda: _log_density(action, squash))

    return (
        case("near", "three dimensions, near the mean", NEAR),
        case("far", "three dimensions, in the tails", FAR),
    )


LOG_PROBABILITY = Contract(
    "log-probability",
    "log_prob(mean [D], log_std [D], action [D]) -> scalar",
    "The logarithm of the joint density of independent normal components.",
    gaussian,
    _cases(lambda a: a),
    (
        Bug(
            "mean over the action's dimensions in place of their sum",
            "The ratio of two policies is taken to the power of 1/D.",
            "multi-dimensional actions in .mean() losses",
            lambda mean, log_std, a: gaussian(mean, log_std, a) / len(a),
        ),
        Bug(
            "log_std taken for the standard deviation",
            "A parametrisation is read as another.",
            "ports between libraries",
            lambda mean, log_std, a: gaussian(mean, np.log(np.abs(log_std)), a),
        ),
        Bug(
            "normaliser without the standard deviation",
            "The density does not integrate to one: its score in log_std lacks the -1.",
            "squared-error losses taken for log-probabilities",
            lambda mean, log_std, a: gaussian(mean, log_std, a) + float(np.sum(log_std)),
        ),
        Bug(
            "variance taken for the standard deviation",
            "exp(log_std) where exp(2 log_std) belongs.",
            "hand-written densities",
            lambda mean, log_std, a: gaussian(mean, log_std / 2, a),
        ),
    ),
)

SQUASHED_LOG_PROBABILITY = Contract(
    "squashed-log-probability",
    "log_prob(mean [D], log_std [D], action [D] in (-1, 1)) -> scalar",
    "The logarithm of the density of tanh(x), x normal: with the change of variables.",
    squashed,
    _cases(math.atanh),
    (
        Bug(
            "no change of variables",
            "The density of x where that of tanh(x) belongs.",
            "first versions of SAC",
            lambda mean, log_std, a: gaussian(mean, log_std, np.arctanh(a)),
        ),
        Bug(
            "correction with the wrong sign",
            "log(1 - a^2) added where it is to be subtracted.",
            "hand-written tanh policies",
            lambda mean, log_std, a: (
                gaussian(mean, log_std, np.arctanh(a)) + float(np.sum(np.log1p(-(a**2))))
            ),
        ),
        Bug(
            "density at the squashed action",
            "The action is not taken back through the tanh.",
            "clipped actions stored in the buffer",
            gaussian,
        ),
    ),
)
