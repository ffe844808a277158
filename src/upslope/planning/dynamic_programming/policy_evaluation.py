"""The values of one deterministic policy, to rounding, and how well they solve its equation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.planning.dynamic_programming.backup import DenseRows, PolicyRows

# Krylov steps at most; what they leave is done by sweeps of the equation itself.
KRYLOV_STEPS, MOST_SWEEPS = 300, 100_000


def solve_rows(
    rows: PolicyRows,
    terminal: Bool[Array, " S"],
    right: Float[Array, " S"],
    gamma: Float[Array, ""],
    start: Float[Array, " S"],
) -> tuple[Float[Array, " S"], Float[Array, ""]]:
    r"""v with :math:`v = b + \gamma P^\pi v` off the end, and 0 there.

    Dense rows by one linear solve; sparse ones by BiCGStab and then by sweeps of the equation, as
    long as these reduce the residual.

    Args:
      rows: of the policy.
      terminal: the states at the end, [S].
      right: b [S]: the policy's rewards, or ones for the steps until the end.
      gamma: in [0, 1]; 1 needs a policy that ends.
      start: where iterations begin.

    Returns:
      v [S] and its residual, the largest entry of b + gamma P v - v.

    References:
      van der Vorst (1992); Puterman (1994), section 6.6.
    """
    live = (~terminal).astype(right.dtype)
    right = right * live

    def left_over(values: Array) -> Array:
        return right + gamma * live * rows.expected(values) - values

    if isinstance(rows, DenseRows):
        within = rows.transition * live[:, None] * live[None, :]
        system = jnp.eye(right.shape[0], dtype=right.dtype) - gamma * within
        factors = jax.scipy.linalg.lu_factor(system)
        values = jax.scipy.linalg.lu_solve(factors, right)
        values = values + jax.scipy.linalg.lu_solve(factors, left_over(values))
        return values, jnp.max(jnp.abs(left_over(values)))

    def operator(values: Array) -> Array:
        return values - gamma * live * rows.expected(values)

    start = start * live
    goal = 4.0 * jnp.finfo(right.dtype).eps * jnp.max(jnp.abs(right))
    krylov, _ = jax.scipy.sparse.linalg.bicgstab(
        operator, right, start, tol=1e-15, maxiter=KRYLOV_STEPS
    )
    size = lambda values: jnp.max(jnp.abs(left_over(values)))  # noqa: E731
    better = jnp.all(jnp.isfinite(krylov)) & (size(krylov) < size(start))
    first = jnp.where(better, krylov, start)

    def going(carry: tuple[Array, Array, Array, Array]) -> Array:
        _, now, idle, count = carry
        return (now > goal) & (idle < 3) & (count < MOST_SWEEPS)

    def sweep(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        values, now, idle, count = carry
        rest = left_over(values)
        after = values + rest
        smaller = jnp.max(jnp.abs(left_over(after)))
        # Rounding ends it: the residual no longer gets smaller.
        idle = jnp.where(smaller < now, 0, idle + 1)
        return after, jnp.minimum(now, smaller), idle, count + 1

    none = jnp.zeros((), jnp.int32)
    values = jax.lax.while_loop(going, sweep, (first, size(first), none, none))[0]
    return values, size(values)
