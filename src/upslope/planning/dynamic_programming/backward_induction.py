"""Backward induction: the best policy for a fixed number of steps."""

from __future__ import annotations

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import check_number
from upslope.planning.dynamic_programming.backup import Backup, FiniteModel, backup_of
from upslope.planning.dynamic_programming.certificate import rounding
from upslope.planning.dynamic_programming.solution import Solution
from upslope.planning.dynamic_programming.solver import check_size


class BackwardInduction(eqx.Module):
    r"""From the last step to the first: exact, by H backups.

    .. math:: v_H = 0, \qquad q_h(s, a) = R(s, a) + \gamma \sum_{s'} P(s' \mid s, a) v_{h+1}(s'),
              \qquad v_h(s) = \max_a q_h(s, a)

    The best action depends on the steps that are left: everything has an axis of H steps, and
    `policy[h, s]` is what to do after h steps. H S A numbers are kept.

    Attributes:
      horizon: H, steps. Static.
      dtype: of the backups, float64 or float32; the bound is computed in double precision. Static.

    References:
      Puterman (1994), section 4.5.
    """

    name: ClassVar[str] = "backward-induction"
    horizon: int = eqx.field(static=True)
    dtype: Literal["float64", "float32"] = eqx.field(static=True, default="float64")

    def __check_init__(self) -> None:
        from upslope.core.checks import check_choice
        from upslope.planning.dynamic_programming.solver import DTYPES

        check_number("BackwardInduction", "horizon", self.horizon, at_least=1, integer=True)
        check_choice("BackwardInduction", "dtype", self.dtype, DTYPES)

    def solve(self, mdp: FiniteModel, gamma: float = 1.0) -> Solution:
        """The optimal policy and values of each step.

        Args:
          mdp: a `FiniteMDP` or a `SparseMDP`.
          gamma: discount, in [0, 1].

        Raises:
          UpslopeError: gamma outside [0, 1].
        """
        check_number("BackwardInduction", "gamma", gamma, at_least=0.0, at_most=1.0)
        check_size(mdp)
        with jax.enable_x64(True):
            backup = backup_of(mdp, np.dtype(self.dtype))
            exact = backup if self.dtype == "float64" else backup_of(mdp, np.dtype("float64"))
            action_values, error = backwards(
                backup, exact, jnp.asarray(gamma, jnp.float64), self.horizon
            )
        table = np.asarray(action_values)
        return Solution(
            method=self.name,
            policy=np.argmax(table, axis=-1).astype(np.int32),
            values=np.max(table, axis=-1),
            action_values=table,
            bound=float(error),
            iterations=self.horizon,
            converged=True,
            reason="all steps are done; the bound is what rounding can do",
            gamma=float(gamma),
            tolerance=float(error),
            terminal=np.asarray(mdp.terminal),
            initial=np.asarray(mdp.initial),
        )


@jax.jit(static_argnames="horizon")
def backwards(backup: Backup, exact: Backup, gamma: Array, horizon: int) -> tuple[Array, Array]:
    """q [H, S, A] from the last step to the first, and the most that any is off."""
    dtype = backup.reward.dtype

    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        later, error = carry
        action_values = backup.action_values(later, gamma.astype(dtype))
        wide = later.astype(jnp.float64)
        residual = exact.action_values(wide, gamma) - action_values.astype(jnp.float64)
        own = jnp.max(jnp.abs(residual)) + rounding(exact, wide, gamma)
        return (jnp.max(action_values, axis=1), gamma * error + own), action_values

    start = (jnp.zeros(backup.reward.shape[0], dtype), jnp.zeros((), jnp.float64))
    (_, error), action_values = jax.lax.scan(step, start, None, horizon, reverse=True)
    return action_values, error
