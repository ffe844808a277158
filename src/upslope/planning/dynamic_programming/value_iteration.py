"""Value iteration: the Bellman optimality backup, again and again."""

from __future__ import annotations

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.checks import check_choice
from upslope.planning.dynamic_programming.backup import Backup
from upslope.planning.dynamic_programming.prioritized import prioritized_sweeps
from upslope.planning.dynamic_programming.solver import Iterate, Solver, Stop

SWEEPS = ("jacobi", "gauss-seidel", "prioritized")


class ValueIteration(Solver):
    r"""Repeats the Bellman optimality backup until the values stop moving apart.

    .. math:: v_{k+1}(s) = \max_a \Big[ R(s, a) + \gamma \sum_{s'} P(s' \mid s, a) v_k(s') \Big],
              \qquad \operatorname{sp}(v_{k+1} - v_k) \le
              \frac{2 (1 - \gamma)}{\gamma} \, \text{tolerance}

    The span sp(x) = max x - min x never shrinks by less than gamma per sweep and, where chains mix,
    by much more: adding a constant to the values changes neither the greedy policy nor the bound.
    Without terminal states the constant is taken out of every iterate, so that values keep their
    precision.

    `sweeps="gauss-seidel"` uses new values within the sweep, in the order of the states;
    `"prioritized"` updates one state at a time, the one whose value may be off by most (S updates
    count as one sweep; not for millions of states). Both stop by the max norm, for which they
    contract; the bound of what they return comes from a Jacobi backup, as for all solvers.

    Attributes:
      sweeps: the order of updates: jacobi, gauss-seidel or prioritized. Static.
      tolerance: bound on the error of every value; None for 1e-9 of max |R| / (1 - gamma).
      max_iterations: sweeps after which it gives up, and says so.
      dtype: of the iteration, float64 or float32. Static.

    References:
      Puterman (1994), sections 6.3 and 6.6; Moore and Atkeson (1993) for priorities.
    """

    name: ClassVar[str] = "value-iteration"
    sweeps: Literal["jacobi", "gauss-seidel", "prioritized"] = eqx.field(
        static=True, default="jacobi"
    )
    tolerance: float | None = None
    max_iterations: int = 100_000
    dtype: Literal["float64", "float32"] = eqx.field(static=True, default="float64")

    def __check_init__(self) -> None:
        check_choice("ValueIteration", "sweeps", self.sweeps, SWEEPS)

    @property
    def precision(self) -> str:
        return self.dtype

    @property
    def title(self) -> str:
        return self.name if self.sweeps == "jacobi" else f"{self.name}, {self.sweeps} sweeps"

    def goal(self, gamma: float, tolerance: float) -> float:
        if gamma == 1.0:
            return 0.1 * tolerance
        span = super().goal(gamma, tolerance)
        return span if self.sweeps == "jacobi" else span / 2.0

    def advance(self, backup: Backup, gamma: Array, iterate: Iterate, stop: Stop) -> Iterate:
        if self.sweeps == "prioritized":
            return prioritized_sweeps(backup, gamma, iterate, stop)
        sweeps = jacobi_sweeps if self.sweeps == "jacobi" else gauss_seidel_sweeps
        return sweeps(backup, gamma, iterate, stop)


@jax.jit
def jacobi_sweeps(backup: Backup, gamma: Array, iterate: Iterate, stop: Stop) -> Iterate:
    """Sweeps that read the values of the sweep before."""
    centred = ~jnp.any(backup.terminal)

    def sweep(now: Iterate) -> Iterate:
        values = jnp.max(backup.action_values(now.values, gamma), axis=1)
        change = values - now.values
        size = measured(change, gamma)
        return now.moved(centre(values, centred), now.policy, size)

    return jax.lax.while_loop(stop.going, sweep, iterate)


@jax.jit
def gauss_seidel_sweeps(backup: Backup, gamma: Array, iterate: Iterate, stop: Stop) -> Iterate:
    """Sweeps in which each state sees the new values of the states before it."""

    def update(state: Array, values: Array) -> Array:
        best = jnp.max(backup.state_action_values(state, values, gamma))
        return values.at[state].set(best)

    def sweep(now: Iterate) -> Iterate:
        values = jax.lax.fori_loop(0, now.values.shape[0], update, now.values)
        return now.moved(values, now.policy, jnp.max(jnp.abs(values - now.values)))

    return jax.lax.while_loop(stop.going, sweep, iterate)


def measured(change: Array, gamma: Array) -> Array:
    """What the stop looks at: the span of a change; without a discount its max norm."""
    span = jnp.max(change) - jnp.min(change)
    return jnp.where(gamma < 1.0, span, jnp.max(jnp.abs(change)))


def centre(values: Array, centred: Array) -> Array:
    """Values relative to the middle of their range, where a constant makes no difference."""
    middle = (jnp.max(values) + jnp.min(values)) / 2.0
    return jnp.where(centred, values - middle, values)
