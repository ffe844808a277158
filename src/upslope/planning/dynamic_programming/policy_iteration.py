"""Policy iteration: evaluate the policy exactly, improve it where that is certain, repeat."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from upslope.planning.dynamic_programming.backup import Backup
from upslope.planning.dynamic_programming.policy_evaluation import solve_rows
from upslope.planning.dynamic_programming.solver import Iterate, Solver, Stop


class PolicyIteration(Solver):
    r"""Alternates exact evaluation and improvement until no action is certainly better.

    .. math:: v_\pi = r_\pi + \gamma P_\pi v_\pi, \qquad
              \pi'(s) \in \arg\max_a q_\pi(s, a) \;\text{ if }\;
              \max_a q_\pi(s, a) > q_\pi(s, \pi(s)) + \varepsilon, \;\text{ else }\; \pi(s)

    An action is replaced only where the gain is beyond epsilon, twice what the residual of the
    evaluation and rounding can feign. So every replacement is a true improvement, no policy comes
    back, and equally good policies are never exchanged for each other: it ends after at most
    |A|^|S| improvements, in practice a handful.

    In double precision throughout. Dense MDPs are evaluated by a linear solve (some thousand
    states), sparse ones by BiCGStab.

    Attributes:
      tolerance: bound on the error of every value; None for 1e-9 of max |R| / (1 - gamma).
      max_iterations: improvements after which it gives up, and says so.

    References:
      Howard (1960); Puterman (1994), section 6.4; for gamma = 1 Bertsekas and Tsitsiklis (1991).
    """

    name: ClassVar[str] = "policy-iteration"
    iteration: ClassVar[str] = "improvements"
    acts_greedily: ClassVar[bool] = False
    tolerance: float | None = None
    max_iterations: int = 1_000

    def goal(self, gamma: float, tolerance: float) -> float:
        return 0.0  # it ends when the policy stays: the change is the number of replaced actions

    def patience(self, gamma: float) -> int:
        return self.max_iterations + 1

    def advance(self, backup: Backup, gamma: Array, iterate: Iterate, stop: Stop) -> Iterate:
        return improvements(backup, gamma, iterate, stop, undiscounted=bool(gamma == 1.0))


@jax.jit(static_argnames="undiscounted")
def improvements(
    backup: Backup, gamma: Array, iterate: Iterate, stop: Stop, undiscounted: bool
) -> Iterate:
    """Evaluations, each followed by an improvement; `change` counts replaced actions."""
    eps = jnp.finfo(backup.reward.dtype).eps
    live = ~backup.terminal
    ones = jnp.ones_like(iterate.values)

    def improve(now: Iterate) -> Iterate:
        rows = backup.rows(now.policy)
        values, residual = solve_rows(rows, backup.terminal, rows.reward, gamma, now.values)
        # 1 + gamma P + gamma^2 P^2 ...: how far an error of one backup adds up.
        if undiscounted:
            steps, _ = solve_rows(rows, backup.terminal, ones, gamma, 0.0 * ones)
            longest = jnp.max(steps)
        else:
            longest = 1.0 / (1.0 - gamma)
        action_values = backup.action_values(values, gamma)
        largest = jnp.max(jnp.abs(backup.reward)) + gamma * jnp.max(jnp.abs(values))
        error = residual + (backup.n_terms + 6) * eps * largest
        kept = jnp.take_along_axis(action_values, now.policy[:, None], axis=1)[:, 0]
        gain = jnp.max(action_values, axis=1) - kept
        switch = live & (gain > 2.0 * error * longest)
        best = jnp.argmax(action_values, axis=1).astype(jnp.int32)
        replaced = jnp.sum(switch).astype(values.dtype)
        return now.moved(values, jnp.where(switch, best, now.policy), replaced)

    return jax.lax.while_loop(stop.going, improve, iterate)
