"""Why a linear-quadratic problem has no best gain: looked at on the host, in NumPy."""

from __future__ import annotations

import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.exact.quadratic_problem import LinearQuadraticProblem
from upslope.exact.tables import known

# Relative size below which an eigenvalue or singular value counts as zero, by precision.
TOLERANCES = {4: 1e-5, 8: 1e-10}


def check_regulator(
    problem: LinearQuadraticProblem, gamma: float | Array, horizon: int | None
) -> None:
    """Raises where the costs are not convex, or the infinite horizon has no best gain.

    Nothing is checked of numbers that are traced.

    Raises:
      UpslopeError: R is singular or indefinite; Q, or the costs with their cross term, are not
        positive semidefinite; and with an infinite horizon: a mode that grows cannot be reached by
        the controls (unstabilisable), or is not seen by the costs (undetectable).
    """
    if not known(problem, gamma):
        return
    A, B, Q, R, N = (
        np.asarray(x, np.float64) for x in (problem.A, problem.B, problem.Q, problem.R, problem.N)
    )
    tolerance = TOLERANCES[problem.A.dtype.itemsize]
    if horizon is not None:
        varying = any(x.ndim > 2 for x in (Q, R, N))
        for step in range(horizon if varying else 1):
            now = [x[step] if x.ndim > 2 else x for x in (Q, R, N)]
            _check_costs(now[0], now[1], now[2], tolerance)
        return
    _check_costs(Q, R, N, tolerance)
    root = float(gamma) ** 0.5
    back = np.linalg.solve(R, N.T)
    check_reachable(root * A, root * B, tolerance, discounted=bool(gamma < 1))
    check_seen(root * (A - B @ back), Q - N @ back, tolerance)


def _check_costs(Q: np.ndarray, R: np.ndarray, N: np.ndarray, tolerance: float) -> None:
    Q, R = (Q + Q.T) / 2, (R + R.T) / 2
    values, vectors = np.linalg.eigh(R)
    size = max(np.abs(values).max(), np.finfo(float).tiny)
    if values[0] <= tolerance * size:
        singular = values[0] >= -tolerance * size
        what = (
            "singular: a control that costs nothing has no best size"
            if singular
            else "indefinite: there is a control that earns without bound"
        )
        raise UpslopeError(
            f"The costs of controls R = {R.tolist()} are {what} (eigenvalue {values[0]:.6g} along "
            f"{_direction(vectors[:, 0])}). Raise R: a small positive cost of every control is "
            "enough."
        )
    values, vectors = np.linalg.eigh(Q)
    if values[0] < -tolerance * max(np.abs(values).max(), size):
        raise UpslopeError(
            f"The costs of states Q = {Q.tolist()} are not positive semidefinite (eigenvalue "
            f"{values[0]:.6g} along {_direction(vectors[:, 0])}): being far away there would earn "
            "without bound. Costs are minimised; give Q the other sign, or project it."
        )
    values = np.linalg.eigvalsh(Q - N @ np.linalg.solve(R, N.T))
    if values[0] < -tolerance * max(np.abs(values).max(), np.abs(Q).max(), size):
        raise UpslopeError(
            f"The cross term N = {N.tolist()} makes the costs [[Q, N], [N', R]] indefinite "
            f"(Q - N R^-1 N' has the eigenvalue {values[0]:.6g}): some state and control together "
            "earn without bound. Make N smaller, or Q or R larger."
        )


def check_reachable(A: np.ndarray, B: np.ndarray, tolerance: float, discounted: bool) -> None:
    """Raises for a growing mode of A that B does not reach."""
    mode = hidden_mode(A.T, B.T, tolerance)
    if mode is not None:
        scale = " (in sqrt(gamma) A)" if discounted else ""
        raise UpslopeError(
            f"(A, B) cannot be stabilised: the mode of A with the eigenvalue {mode[0]}{scale}, "
            f"along {mode[1]}, does not decay and no control reaches it. Add a control for it (a "
            "column of B), discount more, or give a horizon."
        )


def check_seen(A: np.ndarray, Q: np.ndarray, tolerance: float) -> None:
    """Raises for a growing mode of A that costs nothing under Q."""
    mode = hidden_mode(A, Q, tolerance)
    if mode is not None:
        raise UpslopeError(
            f"(A, Q) is not detectable: the mode of A with the eigenvalue {mode[0]}, along "
            f"{mode[1]}, does not decay and costs nothing, so that the cheapest control lets it "
            "go. Give Q a cost along it, or give a horizon."
        )


def hidden_mode(A: np.ndarray, C: np.ndarray, tolerance: float) -> tuple[str, str] | None:
    """Eigenvalue and direction of a mode of A that does not decay and that C does not see.

    None where there is none. The test of Popov, Belevitch and Hautus: a mode is hidden where
    [lambda I - A; C] loses rank.
    """
    size = max(np.linalg.norm(A), np.linalg.norm(C))
    for value in np.linalg.eigvals(A):
        if abs(value) < 1.0:
            continue
        test = np.concatenate([value * np.eye(len(A)) - A, C], axis=0)
        _, singular, right = np.linalg.svd(test)
        if singular[-1] <= tolerance * size:
            return _number(complex(value)), _direction(right[-1].conj())
    return None


def _direction(vector: np.ndarray) -> str:
    """A unit vector, its largest entry positive, as text."""
    vector = vector / vector[np.argmax(np.abs(vector))]
    vector = vector / np.linalg.norm(vector)
    if np.abs(vector.imag).max() < 1e-9:
        vector = np.real(vector)
    return np.array2string(vector + 0.0, precision=3, suppress_small=True, threshold=8)


def _number(value: complex) -> str:
    if abs(value.imag) < 1e-12:
        return f"{value.real:.6g}"
    return f"{value.real:.6g} {'+' if value.imag > 0 else '-'} {abs(value.imag):.6g}i"
