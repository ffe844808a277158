"""What a search over a function ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from upslope.core.annotations import PyTree
from upslope.core.html_table import html_table
from upslope.optimization.warm_start import Standing


class Curve(NamedTuple):
    """How the search went, one entry an iteration."""

    nfev: Int[np.ndarray, " K"]  # evaluations so far
    best: Float[np.ndarray, " K"]  # best value seen so far (optimistic where f is noisy)
    mean: Float[np.ndarray, " K"]  # mean value of the iteration's finite candidates


@dataclass(frozen=True)
class Result:
    """The outcome of `maximize` or `minimize`, with SciPy's names.

    Attributes:
      x: the solution, of the structure of x0 (NumPy arrays). Where f is noisy it is what the method
        would keep, otherwise the best point evaluated.
      fun: f(x). Where f is noisy, the mean of fresh evaluations that no choice was based on.
      fun_error: standard error of `fun`; 0 where f is not noisy.
      best_seen: the best value met while searching; optimistic where f is noisy, because it is the
        luckiest of many.
      success: whether the target was reached or, without a target, a criterion of convergence met.
        A search that diverged, collapsed, stagnated or used its budget is none.
      message: why it ended.
      nfev: evaluations of f, without those behind `fun`.
      nit: iterations (asks and tells; of Nelder-Mead, steps of its simplex).
      curve: one row an iteration.
      method: its name.
      standing: what `warm_start=` of another search begins with: step size and covariance; None of
        methods that keep none.
    """

    x: PyTree
    fun: float
    fun_error: float
    best_seen: float
    success: bool
    message: str
    nfev: int
    nit: int
    curve: Curve
    method: str
    standing: Standing | None = None

    def __repr__(self) -> str:
        error = f" ± {self.fun_error:.2g}" if self.fun_error else ""
        return (
            f"Result(fun={self.fun:.10g}{error}, success={self.success}, nfev={self.nfev}, "
            f"nit={self.nit}, method={self.method!r}, message={self.message!r},\n"
            f"       x={self.x!r})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        error = f" ± {self.fun_error:.2g}" if self.fun_error else ""
        rows = [
            ["fun", f"{self.fun:.10g}{error}"],
            ["success", f"{self.success}: {self.message}"],
            ["evaluations", f"{self.nfev:,} in {self.nit:,} iterations"],
            ["x", repr(self.x)],
        ]
        return html_table(f"{self.method}", [], rows)
