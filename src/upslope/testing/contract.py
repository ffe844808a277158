"""What a piece of reinforcement learning code must compute, and the famous ways to get it wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from upslope.core.checks import UpslopeError

# Relative error below which an answer is right: single precision passes, no bug here does.
TOLERANCE = 1e-4


class ConformanceError(UpslopeError):
    """A function does not compute what its contract says."""


@dataclass(frozen=True)
class Case:
    """One small problem whose answer is known exactly.

    Attributes:
      name: of the case.
      asks: what it looks at, in a phrase.
      answer: puts the problem to a function and gives its answer as one flat array; an expectation
        where the function sees samples, taken over all of them, so that there is no noise.
      truth: the exact answer, flat, found in another way than by the function's formula.
    """

    name: str
    asks: str
    answer: Callable[[Callable[..., Any]], np.ndarray]
    truth: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Bug:
    """A famous mistake that raises no error.

    Attributes:
      name: what to call it.
      why: what is wrong with it.
      seen: where it was found.
      wrong: an implementation with it.
    """

    name: str
    why: str
    seen: str
    wrong: Callable[..., Any]


@dataclass(frozen=True)
class Contract:
    """What a function must compute.

    Attributes:
      name: of the contract.
      signature: how the function is called: numpy arrays in, numpy arrays out.
      says: what must hold.
      right: an implementation that keeps it.
      cases: problems.
      bugs: mistakes that are recognised.
    """

    name: str
    signature: str
    says: str
    right: Callable[..., Any]
    cases: tuple[Case, ...]
    bugs: tuple[Bug, ...]


@dataclass(frozen=True)
class Row:
    """What a function did in one case."""

    case: str
    asks: str
    passed: bool
    error: float  # largest, relative to the truth's largest entry


@dataclass(frozen=True)
class Report:
    """What a function did in all cases of a contract.

    Attributes:
      contract: its name.
      rows: one a case.
      resembles: bugs that give the same wrong answers in every case.
    """

    contract: str
    rows: tuple[Row, ...]
    resembles: tuple[Bug, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether every case was right."""
        return all(row.passed for row in self.rows)

    def raise_if_failed(self) -> None:
        """For a test-suite.

        Raises:
          ConformanceError: with this report, unless everything passed.
        """
        if not self.passed:
            raise ConformanceError(str(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "contract": self.contract,
            "passed": self.passed,
            "cases": [
                {"case": r.case, "passed": r.passed, "relative_error": r.error} for r in self.rows
            ],
            "resembles": [bug.name for bug in self.resembles],
        }

    def __str__(self) -> str:
        right = sum(row.passed for row in self.rows)
        lines = [f"{self.contract}: {right} of {len(self.rows)} cases right"]
        width = max(len(row.case) for row in self.rows)
        for row in self.rows:
            verdict = "right" if row.passed else "WRONG"
            lines.append(f"  {verdict}  {row.case:{width}}  off by {row.error:8.1e}  {row.asks}")
        for bug in self.resembles:
            lines.append(f"It answers exactly as code with this mistake: {bug.name}.")
            lines.append(f"  {bug.why} Seen in {bug.seen}.")
        if not self.passed and not self.resembles:
            lines.append("It resembles none of the known mistakes.")
        return "\n".join(lines)


def run(function: Callable[..., Any], contract: Contract, tolerance: float = TOLERANCE) -> Report:
    """Puts all cases of a contract to a function. See `upslope.testing.check`."""
    answers = [(case, asked(function, case, contract), case.truth()) for case in contract.cases]
    rows = tuple(
        Row(case.name, case.asks, error <= tolerance, error)
        for case, answer, truth in answers
        for error in [relative_error(answer, truth)]
    )
    if all(row.passed for row in rows):
        return Report(contract.name, rows)
    same = tuple(
        bug
        for bug in contract.bugs
        if all(
            relative_error(answer, case.answer(bug.wrong)) <= tolerance
            for case, answer, _ in answers
        )
    )
    return Report(contract.name, rows, same)


def asked(function: Callable[..., Any], case: Case, contract: Contract) -> np.ndarray:
    """A function's answer to a case.

    Raises:
      UpslopeError: it is of another shape than the truth.
    """
    answer, truth = np.asarray(case.answer(function), float), case.truth()
    if answer.shape != truth.shape:
        raise UpslopeError(
            f"The function answered the case {case.name!r} of {contract.name!r} with "
            f"{answer.size} numbers: it must give {truth.size}. Its signature is "
            f"{contract.signature}."
        )
    return answer


def relative_error(answer: np.ndarray, truth: np.ndarray) -> float:
    """The largest difference over the truth's largest entry; infinite for what is not finite."""
    if not np.isfinite(answer).all():
        return float("inf")
    scale = float(np.max(np.abs(truth)))
    return float(np.max(np.abs(answer - truth))) / (scale if scale > 0 else 1.0)


def flat(*arrays: ArrayLike) -> np.ndarray:
    """Arrays as one vector, in double precision."""
    return np.concatenate([np.asarray(array, float).ravel() for array in arrays])


def slope(function: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-5) -> Any:
    """The gradient of a scalar function by central differences, flat: for truths."""
    found = np.zeros(at.size)
    for index in range(at.size):
        shift = np.zeros(at.size)
        shift[index] = step
        ahead, behind = at + shift.reshape(at.shape), at - shift.reshape(at.shape)
        found[index] = (function(ahead) - function(behind)) / (2 * step)
    return found
