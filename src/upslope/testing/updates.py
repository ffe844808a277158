"""What is done with a gradient: clipping, trust regions, statistics, the best so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from upslope.testing.contract import Bug, Case, Contract, flat, slope
from upslope.testing.episodes import log_softmax

# --- clipping by norm --------------------------------------------------------------------------


def norm(arrays: list[np.ndarray]) -> float:
    """Of all numbers together."""
    return float(np.sqrt(sum(np.sum(np.square(array)) for array in arrays)))


def clip(gradients: list[np.ndarray], max_norm: float) -> list[np.ndarray]:
    """Scaled down together if they are longer."""
    return [min(1.0, max_norm / norm(gradients)) * array for array in gradients]


def _clip_case(name: str, asks: str, arrays: list[list[float]], length: float) -> Case:
    given = [np.array(array) for array in arrays]

    def answer(function: Callable[..., Any]) -> np.ndarray:
        return flat(*function([array.copy() for array in given], 1.0))

    return Case(name, asks, answer, lambda: flat(*given) * length)


CLIP_BY_NORM = Contract(
    "clip-by-norm",
    "clip(gradients: list of arrays, max_norm) -> list of arrays",
    "The same direction, at most max_norm long, all arrays together.",
    clip,
    (
        _clip_case("long", "direction and length", [[3.0, 0.0], [0.4, 3.98]], 1 / 25.0004**0.5),
        _clip_case(
            "one entry", "one large entry among small ones", [[4.0, 0.3], [0.2]], 1 / 16.13**0.5
        ),
        _clip_case("short", "what is short enough stays", [[0.3, -0.2], [0.4]], 1.0),
    ),
    (
        Bug(
            name="clip by value",
            why="Each entry on its own: the direction changes.",
            seen="rejax's max_grad_norm",
            wrong=lambda g, m: [np.clip(array, -m, m) for array in g],
        ),
        Bug(
            name="each array by its own norm",
            why="Layers are weighed against each other anew.",
            seen="optimizers that clip per parameter",
            wrong=lambda g, m: [clip([array], m)[0] for array in g],
        ),
        Bug(
            name="always scaled to the norm",
            why="Small gradients are blown up.",
            seen="normalisation taken for clipping",
            wrong=lambda g, m: [array * m / norm(g) for array in g],
        ),
    ),
)

# --- the gradient of a KL penalty --------------------------------------------------------------

PI, REFERENCE = np.array([0.2, -0.5, 0.7]), np.array([-0.3, 0.4, 0.1])


def score(logits: np.ndarray, action: int) -> np.ndarray:
    """grad log pi(a)."""
    return np.eye(len(logits))[action] - np.exp(log_softmax(logits))


def ratio(logits: np.ndarray, reference: np.ndarray, action: int) -> float:
    """log pi(a) - log ref(a)."""
    return float((log_softmax(logits) - log_softmax(reference))[action])


def kl_gradient(logits: np.ndarray, reference: np.ndarray, action: int) -> np.ndarray:
    """The log-ratio times the score."""
    return ratio(logits, reference, action) * score(logits, action)


def _kl(logits: np.ndarray, reference: np.ndarray) -> float:
    ours, theirs = log_softmax(logits), log_softmax(reference)
    return float(np.sum(np.exp(ours) * (ours - theirs)))


def _kl_case(name: str, asks: str, logits: np.ndarray, reference: np.ndarray) -> Case:
    def answer(function: Callable[..., Any]) -> np.ndarray:
        chance = np.exp(log_softmax(logits))
        return sum(
            (p * flat(function(logits.copy(), reference.copy(), a)) for a, p in enumerate(chance)),
            start=np.zeros(len(logits)),
        )

    return Case(name, asks, answer, lambda: slope(lambda at: _kl(at, reference), logits))


KL_GRADIENT = Contract(
    "kl-gradient",
    "gradient(logits [A], reference_logits [A], action: int) -> [A]",
    "In expectation over actions of the policy, the gradient of KL(pi || reference).",
    kl_gradient,
    (
        _kl_case("apart", "two different policies", PI, REFERENCE),
        _kl_case("other way", "the same with their places exchanged", REFERENCE, PI),
    ),
    (
        Bug(
            name="k3 in the loss",
            why=(
                "Differentiated sample by sample it is KL(reference || pi) that falls: "
                "the estimate of the value is unbiased, that of the gradient is not."
            ),
            seen="huggingface/trl#4967",
            wrong=lambda p, q, a: (1.0 - np.exp(-ratio(p, q, a))) * score(p, a),
        ),
        Bug(
            name="k1 in the loss",
            why="The log-ratio's own gradient is the score, whose mean is zero.",
            seen="KL penalties differentiated through the sample",
            wrong=lambda p, q, a: score(p, a),
        ),
        Bug(
            name="the direction exchanged",
            why="KL(reference || pi) by sampling from pi.",
            seen="arguments in the wrong order",
            wrong=lambda p, q, a: -kl_gradient(p, q, a),
        ),
    ),
)

# --- backtracking line search ------------------------------------------------------------------

TRIES = 8


def line_search(
    theta: np.ndarray,
    step: np.ndarray,
    loss: Callable[[np.ndarray], float],
    kl: Callable[[np.ndarray], float],
    max_kl: float,
) -> np.ndarray:
    """The first of step, step/2, step/4, ... that lowers the loss within max_kl; else nothing."""
    for k in range(TRIES):
        tried = theta + 0.5**k * step
        if loss(tried) < loss(theta) and kl(tried) <= max_kl:
            return tried
    return theta


def _searched(improves: bool, bounded: bool, restored: bool) -> Callable[..., np.ndarray]:
    def search(theta, step, loss, kl, max_kl):
        tried = theta
        for k in range(TRIES):
            tried = theta + 0.5**k * step
            if (loss(tried) < loss(theta) or not improves) and (kl(tried) <= max_kl or not bounded):
                return tried
        return theta if restored else tried

    return search


START, STEP = np.array([1.0, -2.0]), np.array([-0.8, 1.2])


def _line_case(
    name: str, asks: str, loss: Callable[[np.ndarray], np.ndarray], max_kl: float, share: float
) -> Case:
    def answer(function: Callable[..., Any]) -> np.ndarray:
        def kl(at: np.ndarray) -> float:
            return float(np.sum(np.square(np.asarray(at) - START)))

        return flat(function(START.copy(), STEP.copy(), lambda at: float(loss(at)), kl, max_kl))

    return Case(name, asks, answer, lambda: START + share * STEP)


LINE_SEARCH = Contract(
    "line-search",
    "search(theta [D], step [D], loss(theta), kl(theta), max_kl) -> theta [D]",
    "The first of theta + step / 2^k, k = 0 .. 7, with a lower loss and kl <= max_kl; theta itself "
    "when there is none.",
    line_search,
    (
        _line_case("full step", "the first try is good", lambda at: at @ at, 10.0, 1.0),
        _line_case("too far", "the KL must shrink first", lambda at: at @ at, 0.2, 0.25),
        _line_case(
            "overshoot", "the loss rises before it falls", lambda at: abs(at[0] - 0.8), 10.0, 0.25
        ),
        _line_case("nothing helps", "every step makes it worse", lambda at: -(at @ at), 10.0, 0.0),
        _line_case("nothing fits", "no step stays within the KL", lambda at: at @ at, 1e-9, 0.0),
    ),
    (
        Bug(
            name="failed search not restored",
            why="The last rejected parameters are kept.",
            seen="thu-ml/tianshou#1287",
            wrong=_searched(True, True, False),
        ),
        Bug(
            name="accepts what does not improve",
            why="The loss is never looked at.",
            seen="backtracking on the KL alone",
            wrong=_searched(False, True, True),
        ),
        Bug(
            name="KL not looked at",
            why="The trust region is left.",
            seen="backtracking on the loss alone",
            wrong=_searched(True, False, True),
        ),
    ),
)

# --- running moments ---------------------------------------------------------------------------


def moments(mean: float, variance: float, count: float, batch: np.ndarray) -> tuple[float, ...]:
    """Of what was seen before and the batch together."""
    total, shift = count + len(batch), float(np.mean(batch)) - mean
    spread = variance * count + float(np.var(batch)) * len(batch)
    spread += shift**2 * count * len(batch) / total
    return mean + shift * len(batch) / total, spread / total, total


def _moments_case(name: str, asks: str, before: list[float], batch: list[float]) -> Case:
    def answer(function: Callable[..., Any]) -> np.ndarray:
        given = float(np.mean(before)), float(np.var(before)), float(len(before))
        return flat(*function(*given, np.array(batch)))

    everything = np.array(before + batch)
    return Case(
        name, asks, answer, lambda: flat(np.mean(everything), np.var(everything), len(everything))
    )


def _moments_without_shift(mean, variance, count, batch):
    new, _, total = moments(mean, variance, count, batch)
    return new, (variance * count + np.var(batch) * len(batch)) / total, total


def _moments_averaged(mean, variance, count, batch):
    return (mean + np.mean(batch)) / 2, (variance + np.var(batch)) / 2, count + len(batch)


RUNNING_MOMENTS = Contract(
    "running-moments",
    "update(mean, variance, count, batch [N]) -> (mean, variance, count)",
    "Mean, variance (over N) and count of everything seen: what normalises observations.",
    moments,
    (
        _moments_case("shifted", "a batch with another mean", [1.0, 2.0, 4.0], [9.0, 12.0]),
        _moments_case("one", "a batch of one", [1.0, 2.0], [-3.0]),
    ),
    (
        Bug(
            name="variance without the shift of the means",
            why="The spread between batches is lost.",
            seen="hand-written normalisers",
            wrong=_moments_without_shift,
        ),
        Bug(
            name="batches weighed alike",
            why="Old and new count half each, however many they are.",
            seen="running averages without a count",
            wrong=_moments_averaged,
        ),
        Bug(
            name="count of batches",
            why="Each update counts as one observation.",
            seen="hand-written normalisers",
            wrong=lambda mean, variance, count, batch: (
                *moments(mean, variance, count, batch)[:2],
                count + 1,
            ),
        ),
    ),
)

# --- the best so far ---------------------------------------------------------------------------


def incumbent(
    best: np.ndarray, best_fitness: float, candidates: np.ndarray, fitness: np.ndarray
) -> tuple[np.ndarray, float]:
    """The best ever told; fitness is maximised."""
    first = int(np.argmax(fitness))
    if fitness[first] > best_fitness:
        return candidates[first], float(fitness[first])
    return best, best_fitness


def _ranked(best, best_fitness, candidates, fitness):
    ranks = np.argsort(np.argsort(fitness)) / (len(fitness) - 1) - 0.5
    return incumbent(best, best_fitness, candidates, ranks)


def _last(best, best_fitness, candidates, fitness):
    return incumbent(best, -np.inf, candidates, fitness)


def _least(best, best_fitness, candidates, fitness):
    return incumbent(best, -np.inf, candidates, -fitness)


CANDIDATES = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])


def _incumbent_case(
    name: str, asks: str, fitness: list[float], before: float, kept: tuple[list[float], float]
) -> Case:
    def answer(function: Callable[..., Any]) -> np.ndarray:
        found = function(np.array([9.0, 9.0]), before, CANDIDATES.copy(), np.array(fitness))
        return flat(*found)

    return Case(name, asks, answer, lambda: flat(*kept))


INCUMBENT = Contract(
    "incumbent",
    "update(best [D], best_fitness, candidates [P, D], fitness [P]) -> (best, best_fitness)",
    "The candidate with the highest fitness ever told, and that fitness.",
    incumbent,
    (
        _incumbent_case("better", "a new best", [5.0, 7.0, 6.0], 4.0, ([3.0, -1.0], 7.0)),
        _incumbent_case("worse", "the old one stays", [1.0, 2.0, 0.0], 4.0, ([9.0, 9.0], 4.0)),
        _incumbent_case(
            "negative", "all are negative", [-5.0, -2.0, -3.0], -4.0, ([3.0, -1.0], -2.0)
        ),
    ),
    (
        Bug(
            name="fitness after shaping",
            why="Ranks of one generation are compared with another's.",
            seen="RobertTLange/evosax#32",
            wrong=_ranked,
        ),
        Bug(
            name="best of the last generation",
            why="What was found before is forgotten.",
            seen="populations without an archive",
            wrong=_last,
        ),
        Bug(
            name="minimised",
            why="The worst is kept.",
            seen="a sign convention",
            wrong=_least,
        ),
    ),
)
