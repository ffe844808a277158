"""Modified policy iteration: a few sweeps of the policy's own backup between improvements."""

from __future__ import annotations

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from upslope.core.checks import check_number
from upslope.planning.dynamic_programming.backup import Backup
from upslope.planning.dynamic_programming.solver import Iterate, Solver, Stop
from upslope.planning.dynamic_programming.value_iteration import centre, measured

# The evaluation of a policy ends early where its change is this share of the improvement's.
ENOUGH = 0.001


class ModifiedPolicyIteration(Solver):
    r"""Improves the policy by a full backup, then evaluates it by sweeps of its own backup.

    .. math:: \pi_{k+1} = \arg\max_a q_{v_k}(\cdot, a), \qquad
              v_{k+1} = T_{\pi_{k+1}}^{m_k} \, T v_k, \qquad m_k \le m

    A sweep of one policy reads one action where a full backup reads all A. Between value iteration
    (m = 0) and policy iteration (m without end); evaluation stops early where it changes the
    values by less than a thousandth of the improvement. Stops as value iteration does, with its
    bound.

    Attributes:
      n_sweeps: m, the most evaluation sweeps after each improvement.
      tolerance: bound on the error of every value; None for 1e-9 of max |R| / (1 - gamma).
      max_iterations: improvements after which it gives up, and says so.
      dtype: of the iteration, float64 or float32. Static.

    References:
      Puterman and Shin (1978); Puterman (1994), section 6.5.
    """

    name: ClassVar[str] = "modified-policy-iteration"
    iteration: ClassVar[str] = "improvements"
    n_sweeps: int = 20
    tolerance: float | None = None
    max_iterations: int = 20_000
    dtype: Literal["float64", "float32"] = eqx.field(static=True, default="float64")

    def __check_init__(self) -> None:
        check_number("ModifiedPolicyIteration", "n_sweeps", self.n_sweeps, at_least=0, integer=True)

    @property
    def precision(self) -> str:
        return self.dtype

    def goal(self, gamma: float, tolerance: float) -> float:
        return 0.1 * tolerance if gamma == 1.0 else super().goal(gamma, tolerance)

    def advance(self, backup: Backup, gamma: Array, iterate: Iterate, stop: Stop) -> Iterate:
        return improvements(backup, gamma, iterate, stop, np.int32(self.n_sweeps))


@jax.jit
def improvements(
    backup: Backup, gamma: Array, iterate: Iterate, stop: Stop, n_sweeps: Int[Array, ""]
) -> Iterate:
    """Improvements, each followed by sweeps of the new policy."""
    centred = ~jnp.any(backup.terminal)

    def improve(now: Iterate) -> Iterate:
        action_values = backup.action_values(now.values, gamma)
        policy = jnp.argmax(action_values, axis=1).astype(jnp.int32)
        best = jnp.max(action_values, axis=1)
        size = measured(best - now.values, gamma)
        # Values that are good enough are not evaluated further: the bound is about them.
        sweeps = jnp.where(size > stop.goal, n_sweeps, 0)
        values = evaluate(backup, policy, gamma, centre(best, centred), sweeps, ENOUGH * size)
        return now.moved(values, policy, size)

    def evaluate(
        backup: Backup,
        policy: Int[Array, " S"],
        gamma: Array,
        values: Float[Array, " S"],
        sweeps: Array,
        enough: Array,
    ) -> Float[Array, " S"]:
        rows = backup.rows(policy)

        def going(carry: tuple[Array, Array, Array]) -> Array:
            _, size, count = carry
            return (size > enough) & (count < sweeps)

        def sweep(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            values, _, count = carry
            after = rows.reward + gamma * rows.expected(values)
            return centre(after, centred), measured(after - values, gamma), count + 1

        infinite = jnp.asarray(jnp.inf, values.dtype)
        return jax.lax.while_loop(going, sweep, (values, infinite, jnp.zeros_like(sweeps)))[0]

    return jax.lax.while_loop(stop.going, improve, iterate)
