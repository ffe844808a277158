"""Relative value iteration: the largest average reward per step."""

from __future__ import annotations

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.planning.dynamic_programming.backup import Backup, FiniteModel, backup_of
from upslope.planning.dynamic_programming.certificate import average_certificate
from upslope.planning.dynamic_programming.proper import closed_classes, named
from upslope.planning.dynamic_programming.solution import Solution
from upslope.planning.dynamic_programming.solver import (
    SHARES,
    Iterate,
    Solver,
    Stop,
    first_iterate,
)


class RelativeValueIteration(Solver):
    r"""Value iteration without a discount, relative to a reference state.

    .. math:: \bar r_* + h(s) = \max_a \Big[ R(s, a) + \sum_{s'} P(s' \mid s, a) h(s') \Big],
              \qquad h_{k+1} = h_k + \tau \, (T h_k - h_k) - \text{const}

    The step tau < 1 is the aperiodicity transformation: it leaves the average and the differential
    values h as they are, and periodic chains converge. Stops when the span of T h - h is within
    the tolerance; the average reward of the policy, from every state, and the best one lie in that
    interval. It shrinks to nothing where the best average is the same from every state.

    Attributes:
      aperiodicity: tau, in (0, 1); 1 is plain value iteration, which periodic chains never end.
      tolerance: bound on the error of the average reward; None for 1e-9 of max |R|.
      max_iterations: sweeps after which it gives up, and says so.
      dtype: of the iteration, float64 or float32. Static.

    References:
      White (1963); Puterman (1994), sections 8.5.4 and 8.5.5.
    """

    name: ClassVar[str] = "relative-value-iteration"
    aperiodicity: float = 0.9
    tolerance: float | None = None
    max_iterations: int = 100_000
    dtype: Literal["float64", "float32"] = eqx.field(static=True, default="float64")

    def __check_init__(self) -> None:
        check_number(
            "RelativeValueIteration", "aperiodicity", self.aperiodicity, above=0.0, at_most=1.0
        )

    @property
    def precision(self) -> str:
        return self.dtype

    def goal(self, gamma: float, tolerance: float) -> float:
        return 1.8 * tolerance

    def patience(self, gamma: float) -> int:
        return 1000

    def advance(self, backup: Backup, gamma: Array, iterate: Iterate, stop: Stop) -> Iterate:
        step = jnp.asarray(self.aperiodicity, backup.reward.dtype)
        return relative_sweeps(backup, iterate, stop, step)

    def solve(self, mdp: FiniteModel, gamma: float = 1.0) -> Solution:
        """The policy with the largest average reward.

        Args:
          mdp: a `FiniteMDP` or a `SparseMDP` without terminal states.
          gamma: 1: an average has no discount.

        Raises:
          UpslopeError: a discount, or terminal states, after which the average is 0 for ever.
        """
        if gamma != 1.0:
            raise UpslopeError(
                f"{self.name} got gamma={gamma!r}: the average reward has no discount. Leave gamma "
                "out, or use value-iteration."
            )
        if np.asarray(mdp.terminal).any():
            ends = np.flatnonzero(np.asarray(mdp.terminal))
            raise UpslopeError(
                f"{self.name} got an MDP that ends, in {named(ends)}: the average over an endless "
                "future is 0 for every policy. Use value-iteration, or lead the end back to the "
                "start."
            )
        with jax.enable_x64(True):
            return self._average(mdp)

    def _average(self, mdp: FiniteModel) -> Solution:
        backup = backup_of(mdp, np.dtype(self.dtype))
        exact = backup if self.dtype == "float64" else backup_of(mdp, np.dtype("float64"))
        size = float(np.max(np.abs(np.asarray(mdp.reward)), initial=0.0)) or 1.0
        wanted = self.tolerance or SHARES[self.dtype] * size
        iterate = self._advanced(backup, 1.0, first_iterate(backup), self.goal(1.0, wanted))
        differential = iterate.values.astype(jnp.float64)
        average, half_width, shifted, policy = average_certificate(exact, differential)
        best = jnp.max(shifted, axis=1)
        error = float(half_width)
        return Solution(
            method=self.name,
            policy=np.asarray(policy),
            values=np.asarray(best - best[0]).astype(self.dtype),
            action_values=np.asarray(shifted - best[0]).astype(self.dtype),
            bound=error,
            iterations=int(iterate.iterations),
            converged=error <= wanted,
            reason=self._why(mdp, error, wanted, int(iterate.iterations)),
            gamma=1.0,
            tolerance=wanted,
            terminal=np.asarray(mdp.terminal),
            initial=np.asarray(mdp.initial),
            average_reward=float(average),
        )

    def _why(self, mdp: FiniteModel, bound: float, wanted: float, iterations: int) -> str:
        if bound <= wanted:
            return f"the bound is within the tolerance of {wanted:.2g}"
        missed = f"the bound {bound:.2g} is above the tolerance of {wanted:.2g}"
        classes = closed_classes(mdp)
        if len(classes) > 1:
            parts = "; ".join(named(states) for states in classes[:3])
            return (
                f"NOT converged: {missed}. The MDP has {len(classes)} parts that no action leaves "
                f"({parts}), and their averages may differ: solve each of them by itself"
            )
        if iterations >= self.max_iterations:
            return (
                f"NOT converged: the cap of max_iterations={self.max_iterations:,} sweeps was "
                f"reached, {missed}; allow more"
            )
        if self.aperiodicity == 1.0:
            return f"NOT converged: {missed}; periodic chains need aperiodicity below 1"
        if self.dtype == "float32":
            return f"NOT converged: rounding in float32, {missed}; use dtype float64"
        return f"NOT converged: {missed}; the best average reward may depend on the start"


@jax.jit
def relative_sweeps(backup: Backup, iterate: Iterate, stop: Stop, step: Array) -> Iterate:
    """Sweeps of value iteration by a part of the way, relative to state 0."""

    def sweep(now: Iterate) -> Iterate:
        change = jnp.max(backup.action_values(now.values, 1.0), axis=1) - now.values
        values = now.values + step * change
        return now.moved(values - values[0], now.policy, jnp.max(change) - jnp.min(change))

    return jax.lax.while_loop(stop.going, sweep, iterate)
