"""Somebody's callback, in the form of this library or in one of SciPy's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError

Callback = Callable[..., Any]
Form = Literal["values", "point", "intermediate"]


@dataclass(frozen=True)
class IntermediateResult:
    """What `callback(intermediate_result=...)` is given; SciPy's names.

    Attributes:
      x: the best point so far, of the structure of x0 (NumPy arrays).
      fun: its value.
      nfev: evaluations so far.
      nit: iterations so far.
    """

    x: PyTree
    fun: float
    nfev: int
    nit: int


def form_of(callback: Callback) -> Form:
    """How a callback wants to be called, by its signature.

    `callback(nfev, best)` is this library's; one required parameter makes it SciPy's
    `callback(xk)`, or `callback(intermediate_result=...)` if that is its name.
    """
    try:
        parameters = list(inspect.signature(callback).parameters.values())
    except (TypeError, ValueError):
        return "values"
    if any(p.name == "intermediate_result" for p in parameters):
        return "intermediate"
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in by_place and p.default is p.empty]
    return "point" if len(required) == 1 else "values"


class Listener:
    """Calls a callback, and keeps whether it has ended the search.

    It ends it by raising StopIteration, or by returning True (in the form `callback(nfev, best)`
    anything that counts as true).

    Raises:
      UpslopeError: a callback that cannot be called.
    """

    def __init__(self, callback: Callback | None):
        if callback is not None and not callable(callback):
            raise UpslopeError(
                f"callback={callback!r:.80} cannot be called: give a function (nfev, best), or "
                "SciPy's forms, (xk) or (*, intermediate_result)."
            )
        self.callback, self.halted = callback, False
        self.form: Form = "values" if callback is None else form_of(callback)
        self._steps = 0

    def __call__(self, nfev: int, best: float, steps: int, point: Callable[[], PyTree]) -> bool:
        """Whether the search ends here.

        Args:
          nfev: evaluations so far.
          best: the best value so far.
          steps: iterations so far; SciPy's forms are called when they have grown.
          point: makes the best point; only called where it is wanted.
        """
        if self.callback is None:
            return False
        try:
            if self.form == "values":
                self.halted = bool(self.callback(nfev, best))
            elif steps > self._steps:
                self._steps = steps
                self.halted = self._scipys(nfev, best, steps, point())
        except StopIteration:
            self.halted = True
        return self.halted

    def _scipys(self, nfev: int, best: float, steps: int, x: PyTree) -> bool:
        assert self.callback is not None
        if self.form == "point":
            answer = self.callback(x)
        else:
            answer = self.callback(intermediate_result=IntermediateResult(x, best, nfev, steps))
        return isinstance(answer, bool | np.bool_) and bool(answer)
